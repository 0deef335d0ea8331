#include "eval/sweep_figure.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "figure/svg.h"

namespace refocus {
namespace {

constexpr double kWidth = 720, kLeft = 64, kRight = 24, kPlot = 260, kAbove = 40, kBelow = 52,
                 kLegendRow = 18;
constexpr int kLegendColumns = 3;
constexpr std::size_t kMostBars = 6;  // curves beyond which bars are a thicket
constexpr const char* kBaseline = "#444";
constexpr const char* kColors[] = {"#2a6fb0", "#c2571a", "#2b8a57", "#8a4fa3", "#a67c00", "#c43c6d"};
constexpr const char* kDashes[] = {"", "7 3", "2 3", "9 3 2 3"};

using Curves = std::vector<const SweepCurve*>;

// A panel's place and its scales.
struct Panel {
  svg::Scale x, y;
  double top = 0, bottom = 0;  // of the plot
};

double percent(const std::optional<double>& fraction) { return 100 * fraction.value_or(0); }

const char* color_of(std::size_t curve) { return kColors[curve % std::size(kColors)]; }

svg::LineStyle style_of(std::size_t curve) {
  return {.color = color_of(curve), .dashes = kDashes[curve / std::size(kColors) % std::size(kDashes)]};
}

int legend_rows(const Curves& curves) {
  return (static_cast<int>(curves.size()) + 1 + kLegendColumns - 1) / kLegendColumns;
}

double height_of(const Curves& curves) { return kAbove + kLegendRow * legend_rows(curves) + kPlot + kBelow; }

Panel panel_of(const Curves& curves, double top) {
  double left = INFINITY, right = -INFINITY, low = INFINITY, high = -INFINITY;
  for (const SweepCurve* curve : curves) {
    const double baseline = percent(curve->baseline_tally.accuracy());
    low = std::min(low, baseline);
    high = std::max(high, baseline);
    for (const SweepPoint& point : curve->points) {
      left = std::min(left, point.x);
      right = std::max(right, point.x);
      const Interval interval = accuracy_interval(point.tally).value_or(Interval{});
      low = std::min(low, 100 * interval.low);
      high = std::max(high, 100 * interval.high);
    }
  }
  const double aside = right > left ? 0.03 * (right - left) : 0.5 * std::max(std::fabs(left), 1.0);
  const double margin = 0.06 * std::max(high - low, 1.0);
  Panel panel;
  panel.top = top + kAbove + kLegendRow * legend_rows(curves);
  panel.bottom = panel.top + kPlot;
  panel.x = {left - aside, right + aside, kLeft, kWidth - kRight};
  panel.y = {std::min(100 + margin, high + margin), low - margin, panel.top, panel.bottom};
  return panel;
}

// The swept values where they have room, else round numbers.
std::vector<double> x_ticks(const Curves& curves, const svg::Scale& x) {
  std::vector<double> values;
  for (const SweepCurve* curve : curves) {
    for (const SweepPoint& point : curve->points) values.push_back(point.x);
  }
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  constexpr double kRoom = 44;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (x(values[i]) - x(values[i - 1]) < kRoom)
      return svg::ticks(x.from, x.to, svg::nice_step(x.to - x.from));
  }
  return values;
}

std::string axes(const Curves& curves, const Panel& panel, const std::string& axis) {
  std::string out = svg::value_grid(panel.y, kLeft, kWidth - kRight);
  out += svg::line({{kLeft, panel.bottom}, {kWidth - kRight, panel.bottom}}, {.color = "#888", .width = 1});
  for (const double value : x_ticks(curves, panel.x)) {
    const double x = panel.x(value);
    out += svg::line({{x, panel.bottom}, {x, panel.bottom + 4}}, {.color = "#888", .width = 1});
    out += svg::text(x, panel.bottom + 18, fmt::format("{:.6g}", value), {.anchor = "middle"});
  }
  out += svg::text((kLeft + kWidth - kRight) / 2, panel.bottom + 36, axis, {.anchor = "middle"});
  return out;
}

std::string legend(const Curves& curves, double top, const std::vector<std::string>& varying) {
  constexpr double kColumn = (kWidth - kLeft - kRight) / kLegendColumns;
  std::string out;
  for (std::size_t i = 0; i <= curves.size(); ++i) {
    const bool baseline = i == curves.size();
    const double x = kLeft + kColumn * static_cast<double>(i % kLegendColumns);
    const double y = top + kAbove + kLegendRow * static_cast<double>(i / kLegendColumns);
    const svg::LineStyle style = baseline ? svg::LineStyle{.color = kBaseline, .dashes = "5 4"} : style_of(i);
    out += svg::line({{x, y - 4}, {x + 28, y - 4}}, style);
    std::string label = "none " + fmt::format("{:.1f}", percent(curves[0]->baseline_tally.accuracy()));
    if (!baseline) {
      out += svg::mark(x + 14, y - 4, static_cast<int>(i), color_of(i));
      label = parameters_text(curves[i]->points.front().parameters, varying);
      if (label.empty()) label = "rebalance, 95% interval";
    }
    out += svg::text(x + 34, y, label, {.color = style.color});
  }
  return out;
}

std::string interval_band(const SweepCurve& curve, const Panel& panel, const char* color) {
  svg::Points corners, back;
  for (const SweepPoint& point : curve.points) {
    const Interval interval = accuracy_interval(point.tally).value_or(Interval{});
    corners.emplace_back(panel.x(point.x), panel.y(100 * interval.low));
    back.emplace_back(panel.x(point.x), panel.y(100 * interval.high));
  }
  corners.insert(corners.end(), back.rbegin(), back.rend());
  return svg::area(corners, color, 0.15);
}

std::string interval_bar(double x, const Interval& interval, const Panel& panel, const char* color) {
  const double low = panel.y(100 * interval.low), high = panel.y(100 * interval.high);
  const svg::LineStyle style{.color = color, .width = 1};
  return svg::line({{x, low}, {x, high}}, style) + svg::line({{x - 3, low}, {x + 3, low}}, style) +
         svg::line({{x - 3, high}, {x + 3, high}}, style);
}

std::string curve_marks(const Curves& curves, std::size_t which, const Panel& panel) {
  const SweepCurve& curve = *curves[which];
  const char* color = color_of(which);
  const bool band = curves.size() == 1 && curve.points.size() > 1;
  const bool bars = !band && curves.size() <= kMostBars;
  // Curves stand a little aside of each other, so that bars do not hide bars.
  const double aside = 5 * (static_cast<double>(which) - static_cast<double>(curves.size() - 1) / 2);
  std::string out = band ? interval_band(curve, panel, color) : "", marks;
  svg::Points places;
  for (const SweepPoint& point : curve.points) {
    const double x = panel.x(point.x) + (bars ? aside : 0), y = panel.y(percent(point.tally.accuracy()));
    places.emplace_back(x, y);
    if (bars) out += interval_bar(x, accuracy_interval(point.tally).value_or(Interval{}), panel, color);
    marks += svg::mark(x, y, static_cast<int>(which), color);
  }
  return out + svg::line(places, style_of(which)) + marks;
}

std::string panel_svg(const SweepReport& report, const SweepTask& task, const Curves& curves, double top) {
  const Panel panel = panel_of(curves, top);
  const CurveKeys keys = curve_keys(report, task);
  const std::string& axis = report.sweep.axes.front().key;
  std::string shared = parameters_text(curves[0]->points.front().parameters, keys.common);
  std::string out = svg::text(
      kLeft, top + 20, fmt::format("{}, {}: accuracy in %", task.task, curves[0]->prompt), {.bold = true});
  out += svg::text(kWidth - kRight, top + 20, shared, {.anchor = "end", .color = kBaseline});
  out += legend(curves, top, keys.varying);
  out += axes(curves, panel, axis);
  const double baseline = panel.y(percent(curves[0]->baseline_tally.accuracy()));
  out += svg::line({{kLeft, baseline}, {kWidth - kRight, baseline}}, {.color = kBaseline, .dashes = "5 4"});
  for (std::size_t i = 0; i < curves.size(); ++i) out += curve_marks(curves, i, panel);
  return out;
}

}  // namespace

std::string sweep_svg(const SweepReport& report) {
  std::string panels;
  double top = 0;
  for (const SweepTask& task : report.tasks) {
    std::vector<std::pair<std::string, Curves>> prompts;
    for (const SweepCurve& curve : task.curves) {
      if (!curve.baseline_tally.accuracy()) continue;
      if (prompts.empty() || prompts.back().first != curve.prompt) prompts.push_back({curve.prompt, {}});
      prompts.back().second.push_back(&curve);
    }
    for (const auto& [prompt, curves] : prompts) {
      panels += panel_svg(report, task, curves, top);
      top += height_of(curves);
    }
  }
  return panels.empty() ? "" : svg::begin(kWidth, top) + panels + svg::end();
}

}  // namespace refocus
