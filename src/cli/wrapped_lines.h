// Plain text in lines for a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace refocus::cli {

// Of the terminal that standard output is; `otherwise` where it is none, or has 20 or fewer.
int terminal_columns(int otherwise);

// Lines of at most so many columns; words are kept whole where they fit.
std::vector<std::string> wrapped_lines(std::string_view text, int columns);

}  // namespace refocus::cli
