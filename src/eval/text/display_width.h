// How wide a text is on a terminal (utf8proc).
#pragma once

#include <string_view>

namespace refocus {

// Columns that the text takes: wide characters take two, combining ones none; invalid bytes count as U+FFFD.
int display_width(std::string_view text);

}  // namespace refocus
