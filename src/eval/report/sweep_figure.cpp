#include "eval/report/sweep_figure.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "figure/svg.h"

namespace refocus {
namespace {

constexpr double kWidth = 720, kLeft = 64, kRight = 24, kPlot = 260, kAbove = 40, kBelow = 52;
constexpr double kLegendRow = 18, kLegendMark = 34;  // the second: a line's sample before its label
constexpr double kCharacter = 6.6;                   // its width, about
constexpr std::size_t kMostBars = 6;                 // curves beyond which bars are a thicket
constexpr std::size_t kShapes = 4;                   // of svg::mark
constexpr const char* kBaseline = "#444";
constexpr const char* kColors[] = {"#2a6fb0", "#c2571a", "#2b8a57", "#8a4fa3", "#a67c00", "#c43c6d"};
constexpr const char* kDashes[] = {"", "7 3", "2 3", "9 3 2 3"};

// The curves of one task and kind of prompt.
struct Panel {
  std::vector<const SweepCurve*> curves;
  const SweepAxis* axis = nullptr;
  std::vector<std::string> labels;  // what tells each from the others
  int columns = 1;                  // of the legend
  double top = 0;
  svg::Scale x, y;

  double above() const {
    const int entries = static_cast<int>(curves.size()) + 1;  // and the baseline
    return kAbove + kLegendRow * ((entries + columns - 1) / columns);
  }
  double bottom() const { return top + above() + kPlot; }  // of the plot
  double end() const { return bottom() + kBelow; }
};

double percent(const std::optional<double>& fraction) { return 100 * fraction.value_or(0); }

const char* color_of(std::size_t curve) { return kColors[curve % std::size(kColors)]; }

// Dashes change where the marks begin anew, so that curves differ in print without colour too.
svg::LineStyle style_of(std::size_t curve) {
  return {.color = color_of(curve), .dashes = kDashes[curve / kShapes % std::size(kDashes)]};
}

// A text that has no more room than so many pixels.
std::string cut_to(const std::string& text, double room) {
  const auto characters = static_cast<std::size_t>(std::max(8.0, room / kCharacter));
  return text.size() <= characters ? text : printable(text, characters - 3);
}

void set_legend(Panel& panel, const std::vector<std::string>& varying) {
  std::size_t longest = 0;
  for (const SweepCurve* curve : panel.curves) {
    const std::string label = parameters_text(curve->points.front(), varying);
    panel.labels.push_back(label.empty() ? fmt::format("{}, 95% interval", panel.axis->method->name)
                                         : cut_to(label, kWidth - kLeft - kRight - kLegendMark));
    longest = std::max(longest, panel.labels.back().size());
  }
  const double column = kLegendMark + kCharacter * static_cast<double>(longest) + 12;  // about, in pixels
  panel.columns = std::clamp(static_cast<int>((kWidth - kLeft - kRight) / column), 1, 3);
}

void set_scales(Panel& panel) {
  double left = INFINITY, right = -INFINITY, low = INFINITY, high = -INFINITY;
  for (const SweepCurve* curve : panel.curves) {
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
  panel.x = {left - aside, right + aside, kLeft, kWidth - kRight};
  panel.y = {high + margin, low - margin, panel.bottom() - kPlot, panel.bottom()};
}

// The swept values, without those that have no room; of many, round numbers instead.
std::vector<double> x_ticks(const Panel& panel) {
  std::vector<double> values, out;
  for (const SweepCurve* curve : panel.curves) {
    for (const SweepPoint& point : curve->points) values.push_back(point.x);
  }
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
  constexpr std::size_t kMostTicks = 12;
  if (values.size() > kMostTicks) {
    return svg::ticks(panel.x.from, panel.x.to, svg::nice_step(panel.x.to - panel.x.from));
  }
  constexpr double kRoom = 40;
  for (const double value : values) {
    if (out.empty() || panel.x(value) - panel.x(out.back()) >= kRoom) out.push_back(value);
  }
  return out;
}

// Values that are texts have a tick each, as long as there is room.
std::string text_ticks(const Panel& panel, const svg::LineStyle& style) {
  std::map<double, std::string> values;
  for (const SweepCurve* curve : panel.curves) {
    for (const SweepPoint& point : curve->points) values[point.x] = point.find(panel.axis->key)->text;
  }
  const double room = (kWidth - kLeft - kRight) / static_cast<double>(values.size()) - kCharacter;
  std::string out;
  for (const auto& [value, text] : values) {
    const double x = panel.x(value);
    out += svg::line({{x, panel.bottom()}, {x, panel.bottom() + 4}}, style);
    out += svg::text(x, panel.bottom() + 18, cut_to(text, room), {.anchor = "middle"});
  }
  return out;
}

std::string axes(const Panel& panel) {
  const svg::LineStyle style{.color = "#888", .width = 1};
  const double bottom = panel.bottom();
  std::string out = svg::value_grid(panel.y, kLeft, kWidth - kRight);
  out += svg::line({{kLeft, bottom}, {kWidth - kRight, bottom}}, style);
  if (!panel.axis->numeric) out += text_ticks(panel, style);
  for (const double value : panel.axis->numeric ? x_ticks(panel) : std::vector<double>()) {
    const double x = panel.x(value);
    out += svg::line({{x, bottom}, {x, bottom + 4}}, style);
    out += svg::text(x, bottom + 18, fmt::format("{:.6g}", value), {.anchor = "middle"});
  }
  return out + svg::text((kLeft + kWidth - kRight) / 2, bottom + 36, panel.axis->key, {.anchor = "middle"});
}

double baseline_of(const Panel& panel) { return percent(panel.curves[0]->baseline_tally.accuracy()); }

std::string legend(const Panel& panel) {
  const double column = (kWidth - kLeft - kRight) / panel.columns;
  std::string out;
  for (std::size_t i = 0; i <= panel.curves.size(); ++i) {
    const auto columns = static_cast<std::size_t>(panel.columns);
    const bool baseline = i == panel.curves.size();
    const double x = kLeft + column * static_cast<double>(i % columns);
    const double y = panel.top + kAbove + kLegendRow * static_cast<double>(i / columns);
    const svg::LineStyle style = baseline ? svg::LineStyle{.color = kBaseline, .dashes = "5 4"} : style_of(i);
    out += svg::line({{x, y - 4}, {x + kLegendMark - 6, y - 4}}, style);
    if (!baseline) out += svg::mark(x + (kLegendMark - 6) / 2, y - 4, static_cast<int>(i), style.color);
    out += svg::text(x + kLegendMark, y,
                     baseline ? fmt::format("none {:.1f}", baseline_of(panel)) : panel.labels[i],
                     {.color = style.color});
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

std::string curve_marks(const Panel& panel, std::size_t which) {
  const SweepCurve& curve = *panel.curves[which];
  const std::size_t curves = panel.curves.size();
  const char* color = color_of(which);
  const bool band = curves == 1 && curve.points.size() > 1;
  const bool bars = !band && curves <= kMostBars;
  // Curves stand a little aside of each other, so that bars do not hide bars.
  const double aside = 5 * (static_cast<double>(which) - static_cast<double>(curves - 1) / 2);
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

std::string panel_svg(const SweepReport& report, const SweepTask& task, const Panel& panel) {
  const std::string& prompt = panel.curves[0]->prompt;
  const std::string method =
      report.is_plain() ? "" : fmt::format(", {}", report.family(*panel.curves[0]).method->name);
  const std::string title = fmt::format("{}, {}{}: accuracy in %", task.task, prompt, method);
  std::string out = svg::text(kLeft, panel.top + 20, title, {.bold = true});
  const std::string common = parameters_text(panel.curves[0]->points.front(),
                                             curve_keys(report, task, panel.curves[0]->family).common);
  const double room = kWidth - kRight - kLeft - (kCharacter + 1) * static_cast<double>(title.size() + 2);
  out +=
      svg::text(kWidth - kRight, panel.top + 20, cut_to(common, room), {.anchor = "end", .color = kBaseline});
  out += legend(panel) + axes(panel);
  const double baseline = panel.y(baseline_of(panel));
  out += svg::line({{kLeft, baseline}, {kWidth - kRight, baseline}}, {.color = kBaseline, .dashes = "5 4"});
  for (std::size_t i = 0; i < panel.curves.size(); ++i) out += curve_marks(panel, i);
  return out;
}

// Without places and scales. None for a prompt of which no accuracy is known.
std::vector<Panel> panels_of(const SweepReport& report, const SweepTask& task) {
  std::vector<Panel> panels;
  for (const SweepCurve& curve : task.curves) {
    if (!curve.baseline_tally.accuracy()) continue;
    const bool same = !panels.empty() && panels.back().curves[0]->prompt == curve.prompt &&
                      panels.back().curves[0]->family == curve.family;
    if (!same) panels.emplace_back().axis = &report.family(curve).axes.front();
    panels.back().curves.push_back(&curve);
  }
  return panels;
}

}  // namespace

std::string sweep_svg(const SweepReport& report) {
  std::string drawn;
  double top = 0;
  for (const SweepTask& task : report.tasks) {
    for (Panel& panel : panels_of(report, task)) {
      panel.top = top;
      set_legend(panel, curve_keys(report, task, panel.curves[0]->family).varying);
      set_scales(panel);
      drawn += panel_svg(report, task, panel);
      top = panel.end();
    }
  }
  return drawn.empty() ? "" : svg::begin(kWidth, top) + drawn + svg::end();
}

}  // namespace refocus
