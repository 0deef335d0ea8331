// What a token of attention.json is called beside a picture.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace refocus {

// Its text, or else the vocabulary's piece, or else its position; on one line, and cut where it is long.
std::string token_label(const nlohmann::json& token, std::int64_t position);

}  // namespace refocus
