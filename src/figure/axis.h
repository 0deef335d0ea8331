// Axes of a plot: ticks that have room for their labels, and the lines and texts that they are drawn with.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "figure/style.h"
#include "figure/svg.h"

namespace refocus::figure {

struct Tick {
  double value = 0;
  std::string label;
};

// Nice values within [low, high] on an axis of so many points, as close as labels beside each other (or, of
// an axis that goes up, above each other) have room. low < high.
std::vector<Tick> horizontal_ticks(double low, double high, double room, const Font& font);
std::vector<Tick> vertical_ticks(double low, double high, double room, const Font& font);

// These values, without those whose label would touch that of the one before.
std::vector<Tick> ticks_with_room(std::vector<Tick> ticks, const svg::Scale& scale, const Font& font);

// "-0.2" with a minus sign, as many decimals as the step of the values asks for.
std::string tick_text(double value, double step);
// Hyphens before digits as minus signs: "+1.2 [-0.3, +2.7]".
std::string with_minus_signs(std::string_view text);
// With so many digits at most.
std::string number_text(double value, int digits = 6);

double widest(const std::vector<Tick>& ticks, const Font& font);

// Where the values of a plot lie, in points.
struct Plot {
  double left = 0, right = 0, top = 0, bottom = 0;
  double width() const { return right - left; }
  double height() const { return bottom - top; }
};

inline constexpr double kTickLength = 2.5;

// The heights and widths that an axis takes outside of the plot; `label` may be empty, and is broken where it
// is wider than `room`, which ends at the plot's right.
double bottom_axis_height(const std::string& label, const Font& font, double room);
double left_axis_width(const std::vector<Tick>& ticks, const std::string& label, const Font& font);

std::string bottom_axis(const Plot& plot, const svg::Scale& x, const std::vector<Tick>& ticks,
                        const std::string& label, const Font& font, double room);
// With light lines across the plot; the label is turned and stands at the left.
std::string left_axis(const Plot& plot, const svg::Scale& y, const std::vector<Tick>& ticks,
                      const std::string& label, const Font& font);
// Light lines from the top of the plot to its bottom.
std::string upright_grid(const Plot& plot, const svg::Scale& x, const std::vector<Tick>& ticks);

// A line where a value lies that others are compared with: the first of a plot is dashed, the next dotted.
std::string reference_line(const svg::Points& points, std::size_t which = 0);

}  // namespace refocus::figure
