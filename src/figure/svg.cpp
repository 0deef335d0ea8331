#include "figure/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/markup.h"
#include "base/utf8.h"
#include "figure/units.h"

namespace refocus::svg {

double nice_step(double range) {
  const double rough = range / 5, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) return factor * power;
  }
  return 10 * power;
}

std::vector<double> ticks(double low, double high, double step) {
  std::vector<double> out;
  const double slack = 1e-9 * step;
  for (double k = std::ceil((low - slack) / step); k * step <= high + slack; ++k) {
    out.push_back(k == 0 ? 0.0 : k * step);
  }
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : replace_invalid_utf8(text)) {
    if (const char* entity = markup_entity(c)) {
      out += entity;
    } else if (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') {
      out += "\xEF\xBF\xBD";
    } else {
      out += c;
    }
  }
  return out;
}

std::string begin(double width, double height) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
      width, height);
}

std::string begin(const Page& page) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.2f} {1:.2f}\" width=\"{2}\" "
      "height=\"{3}\" "
      "font-family=\"{4}\" font-size=\"{5:g}\">\n<rect width=\"{0:.2f}\" height=\"{1:.2f}\" "
      "fill=\"white\"/>\n",
      page.width, page.height, figure::millimetres_text(page.width), figure::millimetres_text(page.height),
      escaped(page.family), page.font_size);
}

std::string end() { return "</svg>\n"; }

std::string text(double x, double y, std::string_view content, const TextStyle& style) {
  const std::string turn =
      style.turn == 0 ? "" : fmt::format(" transform=\"rotate({:g} {:.1f} {:.1f})\"", style.turn, x, y);
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" fill=\"{}\"{}{}>{}</text>\n", x, y,
                     style.anchor, style.color, style.bold ? " font-weight=\"bold\"" : "", turn,
                     escaped(content));
}

std::string line(const Points& points, const LineStyle& style) {
  std::string places;
  for (const auto& [x, y] : points) places += fmt::format("{}{:.1f},{:.1f}", places.empty() ? "" : " ", x, y);
  return fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{} points=\"{}\"/>\n",
                     style.color, style.width,
                     *style.dashes == '\0' ? "" : fmt::format(" stroke-dasharray=\"{}\"", style.dashes),
                     places);
}

namespace {

std::string polygon(const Points& corners, const std::string& attributes) {
  std::string places;
  for (const auto& [x, y] : corners)
    places += fmt::format("{}{:.1f},{:.1f}", places.empty() ? "" : " ", x, y);
  return fmt::format("<polygon {} points=\"{}\"/>\n", attributes, places);
}

}  // namespace

std::string area(const Points& corners, const char* color, double opacity) {
  return polygon(corners, fmt::format("fill=\"{}\" fill-opacity=\"{}\"", color, opacity));
}

std::string rectangle(double x, double y, double width, double height, std::string_view color) {
  return fmt::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"{}\"/>\n", x,
                     y, width, height, color);
}

std::string frame(double x, double y, double width, double height, const LineStyle& style) {
  const double half = style.width / 2;
  return fmt::format(
      "<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"none\" stroke=\"{}\" "
      "stroke-width=\"{:g}\"/>\n",
      x + half, y + half, width - style.width, height - style.width, style.color, style.width);
}

std::string mark(double x, double y, const Marker& marker, const char* color, double radius) {
  const double r = radius;
  const std::string fill = marker.open ? fmt::format("fill=\"white\" stroke=\"{}\" stroke-width=\"1\"", color)
                                       : fmt::format("fill=\"{}\"", color);
  switch (marker.shape % kMarkerShapes) {
    case 1:
      return polygon({{x - r, y - r}, {x + r, y - r}, {x + r, y + r}, {x - r, y + r}}, fill);
    case 2:
      return polygon({{x, y - 1.3 * r}, {x + 1.3 * r, y + r}, {x - 1.3 * r, y + r}}, fill);
    case 3:
      return polygon({{x, y - 1.5 * r}, {x + 1.5 * r, y}, {x, y + 1.5 * r}, {x - 1.5 * r, y}}, fill);
    case 4:
      return polygon({{x, y + 1.3 * r}, {x + 1.3 * r, y - r}, {x - 1.3 * r, y - r}}, fill);
    default:
      return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:g}\" {}/>\n", x, y, r, fill);
  }
}

std::string value_grid(const Scale& y, double left, double right) {
  constexpr double kDense = 0.6;  // four lines at least
  std::string out;
  for (const double value : ticks(y.to, y.from, nice_step(kDense * (y.from - y.to)))) {
    out +=
        fmt::format("<line x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"#ddd\"/>\n",
                    left, right, y(value));
    out += text(left - 8, y(value) + 4, fmt::format("{:.6g}", value), {.anchor = "end"});
  }
  return out;
}

}  // namespace refocus::svg
