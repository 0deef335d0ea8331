#include "figure/line_chart.h"

#include <algorithm>
#include <cmath>

#include "figure/legend.h"
#include "figure/page.h"
#include "figure/text_width.h"

namespace refocus::figure {
namespace {

constexpr double kPanelGap = 12, kRowGap = 8, kLeastPlot = 50;
constexpr double kAside = 4;  // points between lines that stand aside of each other
constexpr std::size_t kMostMarkedPoints = 24;

std::vector<LegendEntry> entries(const LinePanel& panel) {
  std::vector<LegendEntry> out;
  for (std::size_t s = 0; s < panel.series.size(); ++s) {
    if (!panel.series[s].label.empty()) out.push_back(line_entry(panel.series[s].label, series_style(s)));
  }
  for (std::size_t r = 0; r < panel.references.size(); ++r) {
    out.push_back(reference_entry(panel.references[r].label, r));
  }
  return out;
}

Range y_range(const LinePanel& panel) {
  double low = INFINITY, high = -INFINITY;
  const auto cover = [&](double value) { low = std::min(low, value), high = std::max(high, value); };
  for (const LineSeries& series : panel.series) {
    for (const LinePoint& point : series.points) {
      cover(point.y);
      if (panel.intervals != Intervals::kNone && point.range)
        cover(point.range->low), cover(point.range->high);
    }
  }
  for (const Tick& reference : panel.references) cover(reference.value);
  if (low > high) return {0, 1};
  const double least =
      std::max({panel.least_y_range, 0.02 * std::max(std::fabs(low), std::fabs(high)), 1e-6});
  if (high - low < least) {
    const double middle = (low + high) / 2;
    low = middle - least / 2, high = middle + least / 2;
  }
  const double margin = 0.06 * (high - low);
  Range out{low - margin, high + margin};
  if (panel.within) out = {std::max(out.low, panel.within->low), std::min(out.high, panel.within->high)};
  return out;
}

Range x_range(const LinePanel& panel) {
  double left = INFINITY, right = -INFINITY;
  for (const LineSeries& series : panel.series) {
    for (const LinePoint& point : series.points)
      left = std::min(left, point.x), right = std::max(right, point.x);
  }
  if (left > right) return {0, 1};
  const double aside = right > left ? 0.04 * (right - left) : 0.5 * std::max(std::fabs(left), 1.0);
  return {left - aside, right + aside};
}

// The least distance of two points of the panel on the axis, in points; of one the whole width.
double least_step(const LinePanel& panel, const svg::Scale& x) {
  std::vector<double> places;
  for (const LineSeries& series : panel.series) {
    for (const LinePoint& point : series.points) places.push_back(x(point.x));
  }
  std::ranges::sort(places);
  double out = x.last - x.first;
  for (std::size_t i = 1; i < places.size(); ++i) {
    if (places[i] - places[i - 1] > 0.01) out = std::min(out, places[i] - places[i - 1]);
  }
  return out;
}

std::string band(const LineSeries& series, const svg::Scale& x, const svg::Scale& y, const char* color) {
  svg::Points corners, back;
  for (const LinePoint& point : series.points) {
    if (!point.range) continue;
    corners.emplace_back(x(point.x), y(point.range->low));
    back.emplace_back(x(point.x), y(point.range->high));
  }
  corners.insert(corners.end(), back.rbegin(), back.rend());
  return corners.size() < 4 ? "" : svg::area(corners, color, 0.18);
}

std::string bar(double x, const Range& range, const svg::Scale& y, const char* color) {
  const double low = y(range.low), high = y(range.high);
  const svg::LineStyle style{.color = color, .width = 0.8};
  return svg::line({{x, low}, {x, high}}, style) + svg::line({{x - 1.6, low}, {x + 1.6, low}}, style) +
         svg::line({{x - 1.6, high}, {x + 1.6, high}}, style);
}

std::string draw_series(const LinePanel& panel, std::size_t which, const svg::Scale& x, const svg::Scale& y) {
  const LineSeries& series = panel.series[which];
  const SeriesStyle style = series_style(which);
  const bool bars = panel.intervals == Intervals::kBars ||
                    (panel.intervals == Intervals::kBand && series.points.size() < 2);
  // Bars of all series at one place have half of the way to the next.
  const auto count = static_cast<double>(panel.series.size());
  const double step = std::min(kAside, 0.5 * least_step(panel, x) / count);
  const double aside = bars ? step * (static_cast<double>(which) - (count - 1) / 2) : 0;
  std::string out = panel.intervals == Intervals::kBand && !bars ? band(series, x, y, style.color) : "",
              marks;
  svg::Points places;
  for (const LinePoint& point : series.points) {
    places.emplace_back(x(point.x) + aside, y(point.y));
    if (bars && point.range) out += bar(places.back().first, *point.range, y, style.color);
    if (series.points.size() <= kMostMarkedPoints) {
      marks += svg::mark(places.back().first, places.back().second, style.marker, style.color, kMarkRadius);
    }
  }
  if (places.size() > 1 && panel.joined)
    out += svg::line(places, {.color = style.color, .width = 1, .dashes = style.dashes});
  return out + marks;
}

// A panel within [left, left + width] from `top` on, without its plot's height.
class PanelLayout {
 public:
  PanelLayout(const LinePanel& panel, bool own_legend, double width, const Font& font)
      : panel_(panel),
        font_(font),
        width_(width),
        legend_(own_legend ? entries(panel) : std::vector<LegendEntry>(), width, font) {
    title_ = panel.title.empty() ? std::vector<std::string>() : wrapped(panel.title, width, font, true);
  }

  double above() const {
    return font_.line() * static_cast<double>(title_.size()) + legend_.height() + 0.6 * font_.size;
  }
  double below() const { return bottom_axis_height(panel_.x_label, font_, 0.9 * width_); }

  std::string draw(double left, double top, double above, double plot_height) const {
    std::string out;
    for (std::size_t l = 0; l < title_.size(); ++l) {
      out += svg::text(left, top + 0.85 * font_.size + font_.line() * static_cast<double>(l), title_[l],
                       {.bold = true});
    }
    out += legend_.draw(left, top + font_.line() * static_cast<double>(title_.size()));
    const Range values = y_range(panel_), places = x_range(panel_);
    const std::vector<Tick> y_ticks = vertical_ticks(values.low, values.high, plot_height, font_);
    Plot plot{left + left_axis_width(y_ticks, panel_.y_label, font_), left + width_, top + above,
              top + above + plot_height};
    std::vector<Tick> x_ticks = panel_.x_ticks;
    if (x_ticks.empty()) x_ticks = horizontal_ticks(places.low, places.high, plot.width(), font_);
    plot.right -= std::min(widest(x_ticks, font_) / 2, 12.0);
    const svg::Scale x{places.low, places.high, plot.left, plot.right};
    const svg::Scale y{values.high, values.low, plot.top, plot.bottom};
    out += left_axis(plot, y, y_ticks, panel_.y_label, font_) +
           bottom_axis(plot, x, ticks_with_room(x_ticks, x, font_), panel_.x_label, font_, 0.9 * width_);
    for (std::size_t r = 0; r < panel_.references.size(); ++r) {
      const double at = y(panel_.references[r].value);
      out += reference_line({{plot.left, at}, {plot.right, at}}, r);
    }
    for (std::size_t s = 0; s < panel_.series.size(); ++s) out += draw_series(panel_, s, x, y);
    return out;
  }

 private:
  const LinePanel& panel_;
  Font font_;
  double width_;
  Legend legend_;
  std::vector<std::string> title_;
};

}  // namespace

Picture line_chart(const LineChart& chart, const Style& style, std::string caption) {
  const auto columns = std::max<std::size_t>(1, std::min(chart.columns, chart.panels.size()));
  const double width = (style.width - 2 * kMargin - kPanelGap * static_cast<double>(columns - 1)) /
                       static_cast<double>(columns);
  const Legend common(
      chart.one_legend && !chart.panels.empty() ? entries(chart.panels.front()) : std::vector<LegendEntry>(),
      style.width - 2 * kMargin, style.font);
  std::vector<PanelLayout> panels;
  for (const LinePanel& panel : chart.panels)
    panels.emplace_back(panel, !chart.one_legend, width, style.font);
  // Panels beside each other have their plots at one height.
  std::vector<double> above, below;
  for (std::size_t p = 0; p < panels.size(); ++p) {
    if (p % columns == 0) above.push_back(0), below.push_back(0);
    above.back() = std::max(above.back(), panels[p].above());
    below.back() = std::max(below.back(), panels[p].below());
  }
  double top = kMargin + title_height(style);
  std::string drawn = common.draw(kMargin, top);
  if (common.height() > 0) top += common.height() + 0.5 * style.font.size;
  double around = top + kMargin + kRowGap * static_cast<double>(std::max<std::size_t>(above.size(), 1) - 1);
  for (std::size_t r = 0; r < above.size(); ++r) around += above[r] + below[r];
  const auto rows = static_cast<double>(above.size());
  const double height = content_height(style, around, kLeastPlot * rows, chart.plot_height * rows) / rows;
  for (std::size_t p = 0; p < panels.size(); ++p) {
    const double left = kMargin + (width + kPanelGap) * static_cast<double>(p % columns);
    drawn += panels[p].draw(left, top, above[p / columns], height);
    if (p % columns + 1 == columns || p + 1 == panels.size()) {
      top += above[p / columns] + height + below[p / columns] + kRowGap;
    }
  }
  return finished_picture(style, top - kRowGap, drawn, std::move(caption));
}

}  // namespace refocus::figure
