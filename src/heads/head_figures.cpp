#include "heads/head_figures.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include "figure/heat_map.h"
#include "figure/line_chart.h"
#include "figure/text_width.h"
#include "heads/head_report.h"
#include "heads/patch_report.h"

namespace refocus {

namespace {

std::vector<std::int64_t> numbers_below(std::int64_t end) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(end));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

// Of the text "12.3", a head of `values`.
std::size_t place_of(const HeadValues& values, const JsonNode<nlohmann::ordered_json>& node) {
  const std::string& text = node.text();
  std::int64_t layer = -1, head = -1;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, layer);
  if (first.ptr != end) std::from_chars(first.ptr + 1, end, head);
  if (layer < 0 || head < 0 || layer >= values.layers || head >= values.heads)
    node.fail("a head of the model");
  return static_cast<std::size_t>(layer * values.heads + head);
}

}  // namespace

figure::Picture head_map_figure(const std::string& what, const HeadValues& values, const HeadSet& framed,
                                const figure::Style& style, std::string caption) {
  figure::HeatMap map = figure::layers_and_heads(numbers_below(values.layers), numbers_below(values.heads),
                                                 values.values, what);
  map.scale.signs = values.with_sign;
  for (const auto& [layer, head] : framed) {
    map.framed.emplace_back(static_cast<std::size_t>(layer), static_cast<std::size_t>(head));
  }
  return figure::heat_maps({map}, style, std::move(caption));
}

HeadEffects head_effects(const JsonNode<nlohmann::ordered_json>& results) {
  HeadEffects out;
  out.values.layers = results.at("layers").whole();
  out.values.heads = results.at("heads").whole();
  out.items = results.at("selection").at("items").whole();
  out.values.values.assign(static_cast<std::size_t>(out.values.layers * out.values.heads),
                           std::numeric_limits<double>::quiet_NaN());
  out.what = "change of log P(right option)";
  for (const auto& tried : results.at("heads_tried").items()) {
    ++out.tried;
    double& value = out.values.values[place_of(out.values, tried.at("heads"))];
    if (const auto change = tried.find("likelihood_change")) {
      value = change->number();
      continue;
    }
    for (const char* measure : {"recovered", "lost"}) {
      const auto effect = tried.find(measure);
      if (!effect) continue;
      value = 100 * effect->at("difference").number();
      out.what = fmt::format("{} (%)", measure);
    }
  }
  return out;
}

std::string head_value_map(const std::string& title, const HeadValues& values, const HeadSet& framed) {
  figure::Style style = figure::standalone_style(title);
  style.width = figure::kOneColumn;  // pages show several beside each other
  return head_map_figure("", values, framed, style, "").svg;
}

std::string head_heatmap(const HeadSearch& search, const HeadSearchSettings& settings) {
  const nlohmann::ordered_json results = head_search_json(search, settings);
  const HeadEffects effects = head_effects({results, {"results.json", ""}});
  return head_value_map(figure::capitalized(effects.what) + ", one head at a time, selection half",
                        effects.values, search.best(settings.want).heads);
}

std::string held_out_figure(const HeadSearch& search) {
  figure::LinePanel panel;
  panel.intervals = figure::Intervals::kBars;
  panel.joined = false;
  panel.series = {{"selected heads, 95% interval of the change", {}}, {"random heads, mean and range", {}}};
  for (std::size_t s = 0; s < search.sets.size(); ++s) {
    const SelectedSet& set = search.sets[s];
    const auto x = static_cast<double>(s);
    const double change = set.level - search.base_level;
    const Interval around = set.held_out.interval.value_or(Interval{change, change});
    panel.series[0].points.push_back(
        {x, 100 * set.level,
         figure::Range{100 * (search.base_level + around.low), 100 * (search.base_level + around.high)}});
    panel.series[1].points.push_back(
        {x, 100 * set.random.mean, figure::Range{100 * set.random.low, 100 * set.random.high}});
    panel.x_ticks.push_back({x, std::to_string(set.heads.size())});
  }
  panel.references = {{100 * search.base_level, search.patched ? "no head" : "unchanged"},
                      {100 * search.all_level, "all heads"}};
  panel.x_label = "heads";
  const std::string measure =
      search.patched ? std::string(patched_measure(search.patched->settings)) : "accuracy";
  panel.y_label = figure::capitalized(measure) + " (%)";
  if (!search.patched) panel.within = figure::Range{0, 100};
  const std::string title = search.patched
                                ? fmt::format("What is {} (%), on the half that was held out", measure)
                                : "Accuracy (%) on the half that was held out";
  return figure::line_chart({.panels = {panel}, .plot_height = 150}, figure::standalone_style(title), "").svg;
}

}  // namespace refocus
