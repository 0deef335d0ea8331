#include "study/study_figures.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "figure/line_chart.h"

namespace refocus {

namespace {

struct Shown {
  const char* statistic;
  const char* title;
};
constexpr std::array<Shown, 9> kShown = {{{"entropy", "entropy (nats)"},
                                          {"mass_first", "mass on the first token"},
                                          {"mass_previous", "mass on the previous token"},
                                          {"mass_self", "mass on the token itself"},
                                          {"mass_non_semantic", "mass on non-semantic tokens"},
                                          {"outlier_keys.all", "outlier keys a head"},
                                          {"divergence_layer0", "divergence from layer 0 (nats)"},
                                          {"mass_mask_after", "mass under M"},
                                          {"row_sum", "row sum"}}};
constexpr double kPlotHeight = 88;  // points

// The mean over texts at a layer; absent for fewer than two.
std::optional<figure::LinePoint> mean_point(std::int64_t layer, const std::vector<double>& values) {
  if (values.size() < 2) return std::nullopt;
  const std::vector<double> zeros(values.size(), 0.0);
  const MeanDifference mean = paired_difference(zeros, values);
  figure::LinePoint out{static_cast<double>(layer), mean.difference};
  // Texts that do not vary have no band.
  out.range = mean.interval ? figure::Range{mean.interval->low, mean.interval->high}
                            : figure::Range{mean.difference, mean.difference};
  return out;
}

figure::LineSeries series_of(const Study& study, const TextGroup& group, std::size_t statistic) {
  figure::LineSeries out{group.name, {}};
  for (std::int64_t layer = 0; layer < study.layers; ++layer) {
    std::vector<double> values;
    for (const std::size_t place : group.texts) {
      const StudiedText& text = study.arms[group.arm].texts[place];
      const double value = study.value(group.before ? *text.before : text.attention, layer, statistic);
      if (!std::isnan(value)) values.push_back(value);
    }
    if (const auto point = mean_point(layer, values)) out.points.push_back(*point);
  }
  return out;
}

std::string groups_svg(const Study& study, const std::string& title, const std::vector<TextGroup>& groups) {
  figure::LineChart chart{.columns = 3, .one_legend = true, .plot_height = kPlotHeight};
  for (const Shown& shown : kShown) {
    figure::LinePanel& panel = chart.panels.emplace_back();
    panel.title = shown.title;
    panel.x_label = "layer";
    for (const TextGroup& group : groups) {
      panel.series.push_back(series_of(study, group, study.place(shown.statistic)));
    }
    const double last = static_cast<double>(std::max<std::int64_t>(study.layers - 1, 1));
    const double step = std::max(1.0, svg::nice_step(last));
    for (const double layer : svg::ticks(0, last, step))
      panel.x_ticks.push_back({layer, figure::number_text(layer)});
  }
  return figure::line_chart(chart, figure::standalone_style(title), "").svg;
}

}  // namespace

std::string arms_svg(const Study& study) {
  std::vector<TextGroup> groups;
  for (std::size_t a = 0; a < study.arms.size(); ++a) {
    TextGroup group{study.arms[a].name, a, false, {}};
    for (std::size_t i = 0; i < study.arms[a].texts.size(); ++i) group.texts.push_back(i);
    groups.push_back(std::move(group));
  }
  return groups_svg(study, "Attention by layer: means over texts, 95% intervals", groups);
}

std::string comparison_svg(const Study& study, const StudyComparison& comparison) {
  if (comparison.rows.empty()) return "";
  return groups_svg(study, comparison_title(study, comparison), {comparison.first, comparison.second});
}

}  // namespace refocus
