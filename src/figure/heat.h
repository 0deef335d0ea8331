// Colours of heat maps, which differ for those too who lack a kind of cones: blue and red around white.
#pragma once

#include <string>

#include "figure/svg.h"

namespace refocus::svg {

inline constexpr const char* kNothing = "#dddddd";  // a cell without a number

// From blue (-1) over white (0) to red (1), linear between; beyond the ends as at them.
std::string diverging_color(double share);

// The corners of a rectangle.
Points box(double x, double y, double width, double height);

inline constexpr double kLegendHeight = 126;  // pixels

// A bar of the colours, kLegendHeight high, from its top left, with the numbers -most, 0 and most (of the
// same unit as the cells) and halves between; without the lower half where no cell is below 0. Where cells
// show a function of their share, `share_of` is that one.
std::string diverging_legend(double x, double y, double most, double (*share_of)(double) = nullptr,
                             bool with_sign = true);

}  // namespace refocus::svg
