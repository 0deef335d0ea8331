#include "eval/report/sweep/sweep_figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "eval/text/json_values.h"
#include "eval/text/table_text.h"
#include "figure/line_chart.h"
#include "figure/text_width.h"

namespace refocus {
namespace {

using figure::LinePanel;
using figure::LinePoint;

constexpr std::size_t kMostBars = 6;    // curves beyond which bars are a thicket
constexpr std::size_t kMostTicks = 12;  // swept values beyond which round numbers are on the axis
constexpr double kTwoColumnsFrom = 130 * figure::kMillimetre;

// The curves of one task, kind of prompt and method.
struct SweepPanel {
  std::string task, prompt, method, key;
  std::vector<SweepNode> curves;
};

std::vector<SweepPanel> panels_of(const SweepNode& sweep) {
  std::vector<SweepPanel> out;
  for (const SweepNode& task : sweep.at("tasks").items()) {
    const std::size_t first = out.size();
    for (const SweepNode& curve : task.at("curves").items()) {
      if (!number_at(curve.at("baseline"), "accuracy")) continue;
      const std::string prompt = curve.at("prompt").text(), method = sweep_method(curve);
      if (out.size() == first || out.back().prompt != prompt || out.back().method != method) {
        out.push_back({task.at("task").text(), prompt, method, curve.at("axis").text(), {}});
      }
      out.back().curves.push_back(curve);
    }
  }
  return out;
}

// "threshold=0.01" for each of the other parameters that a curve has.
std::vector<std::string> parameters_of(const SweepNode& curve) {
  std::vector<std::string> out;
  for (const auto& [key, value] : curve.at("fixed").object().items()) {
    out.push_back(fmt::format("{}={}", key, value.is_string() ? value.get<std::string>() : json_text(value)));
  }
  return out;
}

struct Parameters {
  std::vector<std::string> varying;  // [curves], what tells one from the others
  std::string common;                // what all share
};

Parameters parameters_of(const SweepPanel& panel) {
  std::vector<std::vector<std::string>> all;
  for (const SweepNode& curve : panel.curves) all.push_back(parameters_of(curve));
  const auto everywhere = [&](const std::string& one) {
    return std::ranges::all_of(all,
                               [&](const auto& its) { return std::ranges::find(its, one) != its.end(); });
  };
  Parameters out;
  for (const std::vector<std::string>& own : all) {
    std::string& text = out.varying.emplace_back();
    for (const std::string& one : own) {
      std::string& to = everywhere(one) ? out.common : text;
      if (&to == &out.common && &own != &all.front()) continue;
      to += (to.empty() ? "" : " ") + printable(one, 200);
    }
  }
  return out;
}

// The texts of the axis in their order; none where it has numbers.
std::vector<std::string> axis_texts(const SweepNode& sweep, const SweepPanel& panel) {
  for (const SweepNode& axis : sweep.at("axes").items()) {
    if (axis.at("name").text() != panel.key || sweep_method(axis) != panel.method) continue;
    std::vector<std::string> out;
    for (const SweepNode& value : axis.at("values").items()) {
      if (!value.json().is_string()) return {};
      out.push_back(value.text());
    }
    return out;
  }
  return {};
}

double x_of(const SweepNode& point, const std::vector<std::string>& texts) {
  const SweepNode x = point.at("x");
  if (texts.empty()) return x.number();
  return static_cast<double>(std::ranges::find(texts, x.text()) - texts.begin());
}

std::vector<figure::Tick> ticks_of(const LinePanel& panel, const std::vector<std::string>& texts,
                                   const figure::Style& style) {
  std::vector<figure::Tick> out;
  const double room = 0.8 * style.width / static_cast<double>(std::max<std::size_t>(texts.size(), 1));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    out.push_back({static_cast<double>(i), figure::shortened_to(printable(texts[i], 200), room, style.font)});
  }
  if (!texts.empty()) return out;
  std::set<double> values;
  for (const figure::LineSeries& series : panel.series) {
    for (const LinePoint& point : series.points) values.insert(point.x);
  }
  if (values.size() > kMostTicks) return {};
  for (const double value : values) out.push_back({value, figure::number_text(value)});
  return out;
}

std::string panel_title(const SweepPanel& panel) {
  return fmt::format("{}, {}{}{}", printable(panel.task, 200), panel.prompt, panel.method.empty() ? "" : ", ",
                     panel.method);
}

LinePanel line_panel(const SweepNode& sweep, const SweepPanel& panel, const figure::Style& style,
                     bool titles) {
  LinePanel out;
  const Parameters parameters = parameters_of(panel);
  const std::vector<std::string> texts = axis_texts(sweep, panel);
  for (std::size_t c = 0; c < panel.curves.size(); ++c) {
    figure::LineSeries& series = out.series.emplace_back();
    series.label = parameters.varying[c];
    for (const SweepNode& point : panel.curves[c].at("points").items()) {
      const auto accuracy = number_at(point, "accuracy"), low = number_at(point, "low"),
                 high = number_at(point, "high");
      if (!accuracy) continue;
      LinePoint& to = series.points.emplace_back(LinePoint{x_of(point, texts), 100 * *accuracy});
      if (low && high) to.range = {100 * *low, 100 * *high};
    }
    std::ranges::stable_sort(series.points, {}, &LinePoint::x);
  }
  out.intervals = panel.curves.size() == 1           ? figure::Intervals::kBand
                  : panel.curves.size() <= kMostBars ? figure::Intervals::kBars
                                                     : figure::Intervals::kNone;
  const double baseline = 100 * *number_at(panel.curves.front().at("baseline"), "accuracy");
  out.references = {{baseline, "none, " + one_decimal(baseline)}};
  out.within = figure::Range{0, 100};
  out.x_ticks = ticks_of(out, texts, style);
  out.x_label = panel.key;
  out.y_label = "Accuracy (%)";
  out.least_y_range = 1;
  if (titles) {
    out.title = panel_title(panel) + (parameters.common.empty() ? "" : " (" + parameters.common + ")");
  }
  return out;
}

std::string caption_of(const std::vector<SweepPanel>& panels, bool bars, bool none) {
  std::string out = fmt::format("Accuracy over {}", panels.front().key), of;
  for (const SweepPanel& panel : panels) {
    const SweepNode baseline = panel.curves.front().at("baseline");
    const std::string common = parameters_of(panel).common;
    of += fmt::format("{}{}: {} questions{}", of.empty() ? "" : "; ", panel_title(panel),
                      with_thousands(baseline.at("n").whole()), common.empty() ? "" : ", " + common);
  }
  if (std::ranges::any_of(panels, [&](const SweepPanel& panel) { return panel.key != panels.front().key; })) {
    out = "Accuracy over the swept parameter of each method";
  }
  return fmt::format(
      "{} ({}). Dashed: without intervention. {}", out, of,
      none ? "Intervals are left out."
           : fmt::format("{} are 95% score intervals (Wilson 1927) of each accuracy alone, not of its "
                         "difference to the dashed line, which all points share their questions with.",
                         bars ? "Bars" : "Bands"));
}

}  // namespace

figure::Picture sweep_figure(const SweepNode& sweep, const figure::Style& style, bool titles) {
  const std::vector<SweepPanel> panels = panels_of(sweep);
  if (panels.empty()) return {};
  figure::LineChart chart;
  bool bars = false, none = true;
  for (const SweepPanel& panel : panels) {
    chart.panels.push_back(line_panel(sweep, panel, style, titles));
    LinePanel& drawn = chart.panels.back();
    if (!titles && panels.size() > 1) drawn.title = panel_title(panel);
    bars |= drawn.intervals == figure::Intervals::kBars;
    none &= drawn.intervals == figure::Intervals::kNone;
  }
  chart.columns = style.width >= kTwoColumnsFrom ? 2 : 1;
  return figure::line_chart(chart, style, caption_of(panels, bars, none));
}

std::string sweep_svg(const SweepNode& sweep) {
  return sweep_figure(sweep, figure::standalone_style(), true).svg;
}

}  // namespace refocus
