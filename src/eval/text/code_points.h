// A text's code points with their places in the bytes, for rules that rewrite text and report spans; and what
// kind of character one is. The characters are those of Unicode 14.0 as Python 3.11 knows them, whatever
// libraries are installed.
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

// White space as Python's str.strip() and str.split() know it.
bool is_white_space(char32_t c);

// A letter or a number: Python's str.isalnum(); with the underscore, `\w` of its `re`.
bool is_alphanumeric(char32_t c);

// The same with the characters of Unicode 13.0 only.
bool is_alphanumeric_in_unicode_13(char32_t c);

// One character for one: the first of str.lower() where it makes two (U+0130).
char32_t lower_case(char32_t c);

// Two characters fold to the same one where Python's re.IGNORECASE takes them for equal: the same lower case,
// or one of a few more pairs such as the long s and s.
char32_t fold_case(char32_t c);

// The code points of `text`; each byte that belongs to no valid sequence becomes U+FFFD.
std::vector<CodePoint> decode_utf8(std::string_view text);

// Only the codes of decode_utf8.
std::u32string code_points(std::string_view text);

// `text` without white space around it: Python's str.strip().
std::string_view stripped(std::string_view text);
// The same at its beginning alone: str.lstrip().
std::string_view without_leading_space(std::string_view text);

}  // namespace refocus
