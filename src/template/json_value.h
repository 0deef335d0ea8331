// JSON as values of a template, with the origin of every part.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "template/value.h"

namespace refocus::jinja {

// The origin of the part at a JSON pointer (RFC 6901): "" is the whole, "/messages/0/content" a part. A key
// of an object has the origin of that object.
using OriginOf = std::function<OriginId(const std::string& pointer)>;

// JSON's null is None. InputError, naming `where`, for whole numbers past 64 bits with a sign.
Value from_json(const nlohmann::ordered_json& json, OriginId origin,
                const std::string& where = "template data");
Value from_json(const nlohmann::ordered_json& json, const OriginOf& origin,
                const std::string& where = "template data");

}  // namespace refocus::jinja
