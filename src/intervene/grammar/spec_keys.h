// The keys of a part of an intervention by their names: what --sweep sets and reports read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "intervene/grammar/spec.h"

namespace refocus {

// A part with the method's defaults; what has none is missing.
InterventionPart default_part(const Method& method);

// All that a part of the method takes: its own, then keys, layers, heads and rows, in this order.
std::vector<std::string_view> keys_of(const Method& method);

// Sets one of keys_of. UsageError for a value that is none; InputError for a file of from= that is none.
void set_key(InterventionPart& part, std::string_view key, std::string_view value, const SpecPlace& place);

// The value of one of keys_of as InterventionPart::canonical writes it, for a model of so many layers or
// without one; empty where that leaves it out.
std::string key_text(const InterventionPart& part, std::string_view key,
                     std::optional<std::int64_t> layers = std::nullopt);

}  // namespace refocus
