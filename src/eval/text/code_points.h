// A text's code points with their places in the bytes, for rules that rewrite text and report spans.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

// A code point and the bytes [begin, end) it was read from.
struct CodePoint {
  char32_t code = 0;
  std::size_t begin = 0, end = 0;
};

// Where `text` stops being UTF-8: the first bad byte, or text.size() where all is well.
std::size_t first_invalid_utf8(std::string_view text);

// White space as Python's str.strip() knows it.
bool is_white_space(char32_t c);

// The code points of `text`; each byte that belongs to no valid sequence becomes U+FFFD.
std::vector<CodePoint> decode_utf8(std::string_view text);

// Only the codes of decode_utf8.
std::u32string code_points(std::string_view text);

}  // namespace refocus
