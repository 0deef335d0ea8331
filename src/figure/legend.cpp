#include "figure/legend.h"

#include <algorithm>

#include "figure/axis.h"
#include "figure/text_width.h"

namespace refocus::figure {
namespace {

constexpr double kSampleGap = 4, kColumnGap = 12;
constexpr std::size_t kMostColumns = 6;

// Widths of so many columns that are filled row by row.
std::vector<double> column_widths(const std::vector<LegendEntry>& entries, std::size_t columns,
                                  const Font& font) {
  std::vector<double> out(columns, 0.0);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    out[i % columns] =
        std::max(out[i % columns], kSampleWidth + kSampleGap + width_of(entries[i].label, font) + kColumnGap);
  }
  return out;
}

double sum_of(const std::vector<double>& values) {
  double out = 0;
  for (const double value : values) out += value;
  return out;
}

}  // namespace

LegendEntry line_entry(std::string label, const SeriesStyle& style) {
  return {std::move(label), [style](double x, double y) {
            return svg::line({{x, y}, {x + kSampleWidth, y}},
                             {.color = style.color, .width = 1, .dashes = style.dashes}) +
                   svg::mark(x + kSampleWidth / 2, y, style.marker, style.color, kMarkRadius);
          }};
}

LegendEntry mark_entry(std::string label, const SeriesStyle& style) {
  return {std::move(label), [style](double x, double y) {
            return svg::mark(x + kSampleWidth / 2, y, style.marker, style.color, kMarkRadius);
          }};
}

LegendEntry area_entry(std::string label, const std::string& color) {
  return {std::move(label),
          [color](double x, double y) { return svg::rectangle(x + 4, y - 3, kSampleWidth - 8, 6, color); }};
}

LegendEntry reference_entry(std::string label, std::size_t which) {
  return {std::move(label), [which](double x, double y) {
            return reference_line({{x, y}, {x + kSampleWidth, y}}, which);
          }};
}

Legend::Legend(std::vector<LegendEntry> entries, double width, const Font& font)
    : entries_(std::move(entries)), font_(font) {
  std::size_t columns = std::clamp<std::size_t>(entries_.size(), 1, kMostColumns);
  while (columns > 1 && sum_of(column_widths(entries_, columns, font)) - kColumnGap > width) --columns;
  const std::vector<double> widths = column_widths(entries_, columns, font);
  const double room = width - kSampleWidth - kSampleGap;  // of a label that has a row alone
  double y = 0;
  for (std::size_t i = 0; i < entries_.size();) {
    std::size_t lines = 1;
    double x = 0;
    for (std::size_t c = 0; c < columns && i < entries_.size(); ++c, ++i) {
      places_.push_back({x, y + 0.8 * font.size,
                         columns == 1 ? wrapped(entries_[i].label, room, font)
                                      : std::vector<std::string>{entries_[i].label}});
      lines = std::max(lines, places_.back().lines.size());
      x += widths[c];
    }
    y += font.line() * static_cast<double>(lines);
  }
  height_ = y;
}

std::string Legend::draw(double left, double top) const {
  std::string out;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Placed& at = places_[i];
    out += entries_[i].sample(left + at.x, top + at.y - 0.3 * font_.size);
    for (std::size_t l = 0; l < at.lines.size(); ++l) {
      out += svg::text(left + at.x + kSampleWidth + kSampleGap,
                       top + at.y + font_.line() * static_cast<double>(l), at.lines[l]);
    }
  }
  return out;
}

}  // namespace refocus::figure
