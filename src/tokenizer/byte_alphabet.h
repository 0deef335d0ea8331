// GPT-2's spelling of bytes as printable characters: those that print stand for themselves, the others are
// numbered from U+0100 (bytes_to_unicode in https://github.com/openai/gpt-2/blob/master/src/encoder.py).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace refocus {

// Every byte of `text` as its character.
std::string spell_bytes(std::string_view text);

// The bytes that `spelling` (valid UTF-8) stands for; nothing where a character is not of the alphabet.
std::optional<std::string> spelled_bytes(std::string_view spelling);

}  // namespace refocus
