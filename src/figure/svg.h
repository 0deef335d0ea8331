// Pieces of a plot as SVG text: scales, ticks, and marks in one style, black on white, fit for print.
// Coordinates are from the top left, in the units of the picture that they are in: pixels of the one that
// begin(width, height) begins, points of a page. Text is escaped here.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace refocus::svg {

// Maps `from` to the pixel `first` and `to` to the pixel `last`. from != to.
struct Scale {
  double from = 0, to = 1, first = 0, last = 1;
  double operator()(double value) const { return first + (last - first) * (value - from) / (to - from); }
};

using Points = std::vector<std::pair<double, double>>;  // x, y in pixels

// 1, 2 or 5 times a power of ten, so that about five steps cover the range, which is above 0.
double nice_step(double range);

// The multiples of `step` within [low, high]; 0 is 0 and not a rounding error beside it.
std::vector<double> ticks(double low, double high, double step);

// With &, <, >, and quotes as entities, and characters that XML forbids as U+FFFD.
std::string escaped(std::string_view text);

std::string begin(double width, double height);  // a white picture with a sans-serif font of 12

// A white picture of a size on paper, in points, and the font of its texts.
struct Page {
  double width = 0, height = 0;
  std::string family = "sans-serif";
  double font_size = 8;
};
std::string begin(const Page& page);
std::string end();

struct TextStyle {
  const char* anchor = "start";  // "middle", "end"
  const char* color = "black";
  bool bold = false;
  double turn = 0;  // degrees, clockwise, around its place
};
std::string text(double x, double y, std::string_view content, const TextStyle& style = {});

struct LineStyle {
  const char* color = "black";
  double width = 1.5;
  const char* dashes = "";  // as of stroke-dasharray
};
std::string line(const Points& points, const LineStyle& style);
// A filled shape without an edge.
std::string area(const Points& corners, const char* color, double opacity);
// A rectangle without an edge.
std::string rectangle(double x, double y, double width, double height, std::string_view color);
// A line of one width around such a place, within it.
std::string frame(double x, double y, double width, double height, const LineStyle& style);

inline constexpr int kMarkerShapes = 5;
// A dot, square, triangle, diamond or triangle on its head: `shape` modulo kMarkerShapes.
struct Marker {
  int shape = 0;
  bool open = false;  // an outline, white inside
};
std::string mark(double x, double y, const Marker& marker, const char* color, double radius = 3);

// Light lines from x = left to right at the nice values of the scale, which goes from its highest value to
// its lowest, with the values beside them.
std::string value_grid(const Scale& y, double left, double right);

}  // namespace refocus::svg
