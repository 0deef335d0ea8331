// SHA-256 of a text, as lowercase hexadecimal (libcrypto).
#pragma once

#include <string>
#include <string_view>

namespace refocus {

std::string sha256_hex(std::string_view text);

}  // namespace refocus
