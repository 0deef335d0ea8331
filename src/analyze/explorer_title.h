// What the explorer of a capture is called, in a browser's list of pages.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/json_node.h"

namespace refocus {

// Of attention.json: "who is 2 above Nina Fox? – attention of MODEL", with the beginning of the prompt on one
// line; "Attention of MODEL" where its text is not known. InputError where tokens are not as they should be.
std::string explorer_title(const JsonNode<nlohmann::json>& capture);

}  // namespace refocus
