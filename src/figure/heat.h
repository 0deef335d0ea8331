// Colours of heat maps, which differ for those too who lack a kind of cones: blue and red around white.
#pragma once

#include <string>

namespace refocus::svg {

inline constexpr const char* kNothing = "#dddddd";  // a cell without a number

// From blue (-1) over white (0) to red (1), linear between; beyond the ends as at them.
std::string diverging_color(double share);

// From white (0) over blue to a blue near black (1).
std::string sequential_color(double share);

// Whether white is read better on it than black.
bool is_dark(const std::string& color);

}  // namespace refocus::svg
