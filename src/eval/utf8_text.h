// What text files and terminals need of UTF-8: validity and width in columns (utf8proc).
#pragma once

#include <string>
#include <string_view>

namespace refocus {

bool is_valid_utf8(std::string_view text);

// The text with every maximal ill-formed part replaced by U+FFFD, as Python's errors="replace" does. A
// response cut off inside a character that byte tokens spell is such a text.
std::string valid_utf8(std::string_view text);

// Columns that the text takes on a terminal: wide characters take two, combining ones none.
int display_width(std::string_view text);

}  // namespace refocus
