#include "heads/head_figures.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "figure/heat.h"
#include "figure/svg.h"
#include "heads/patch_report.h"

namespace refocus {

namespace {

constexpr double kCell = 18, kLeft = 56, kTop = 44, kRight = 96, kBelow = 44;
constexpr double kPlotWidth = 640, kPlotHeight = 300;

// Small changes are to be seen too; `share` in [-1, 1].
double seen_share(double share) { return std::copysign(std::sqrt(std::fabs(share)), share); }

std::string color_of(double share) { return svg::diverging_color(seen_share(share)); }

using svg::box;

struct Grid {
  const HeadValues& of;
  double x(std::int64_t head) const { return kLeft + kCell * static_cast<double>(head); }
  double y(std::int64_t layer) const { return kTop + kCell * static_cast<double>(of.layers - 1 - layer); }
  double right() const { return x(of.heads); }
  double bottom() const { return kTop + kCell * static_cast<double>(of.layers); }
};

std::string axes(const Grid& grid) {
  std::string out;
  const std::int64_t every_layer = grid.of.layers > 24 ? 4 : 2;
  for (std::int64_t l = 0; l < grid.of.layers; l += every_layer) {
    out += svg::text(kLeft - 6, grid.y(l) + kCell - 5, std::to_string(l), {.anchor = "end"});
  }
  const std::int64_t every_head = grid.of.heads > 16 ? 4 : 2;
  for (std::int64_t h = 0; h < grid.of.heads; h += every_head) {
    out += svg::text(grid.x(h) + kCell / 2, grid.bottom() + 16, std::to_string(h), {.anchor = "middle"});
  }
  out += svg::text((kLeft + grid.right()) / 2, grid.bottom() + 34, "head", {.anchor = "middle"});
  out += svg::text(10, kTop - 8, "layer");
  return out;
}

// What a head's cell shows.
double shown_of(const TriedHeads& tried) {
  return tried.recovered ? 100 * tried.recovered->difference : tried.likelihood;
}

std::string heatmap_title(const HeadSearch& search) {
  if (!search.patched) return "Change of log P(right option), one head at a time, selection half";
  std::string measure(patched_measure(search.patched->settings));
  measure.front() = static_cast<char>(measure.front() - 'a' + 'A');
  return fmt::format("{}, %, one head at a time, selection half", measure);
}

std::string legend(const Grid& grid, double most) {
  return svg::diverging_legend(grid.right() + 16, kTop, most, seen_share, grid.of.with_sign);
}

}  // namespace

std::string head_value_map(const std::string& title, const HeadValues& values, const HeadSet& framed) {
  const Grid grid{values};
  double most = 0;
  for (const double value : values.values) {
    if (!std::isnan(value)) most = std::max(most, std::fabs(value));
  }
  if (most == 0) most = 1;
  // Room for the title too.
  const double least = std::min(520.0, 20 + 8 * static_cast<double>(title.size()));
  std::string out = svg::begin(std::max(grid.right() + kRight, least),
                               std::max(grid.bottom(), kTop + svg::kLegendHeight) + kBelow);
  out += svg::text(10, 20, title, {.bold = true});
  const std::vector<Head> all = all_heads(values.layers, values.heads);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double value = values.values[i];
    const std::string color = std::isnan(value) ? svg::kNothing : color_of(value / most);
    out += svg::area(box(grid.x(all[i].second), grid.y(all[i].first), kCell, kCell), color.c_str(), 1);
  }
  for (const auto& [layer, head] : framed) {
    svg::Points frame = box(grid.x(head) + 1, grid.y(layer) + 1, kCell - 2, kCell - 2);
    frame.push_back(frame.front());
    out += svg::line(frame, {.width = 2});
  }
  return out + axes(grid) + legend(grid, most) + svg::end();
}

std::string head_heatmap(const HeadSearch& search, const HeadSearchSettings& settings) {
  HeadValues values{search.layers, search.heads, {}};
  values.values.assign(static_cast<std::size_t>(search.layers * search.heads),
                       std::numeric_limits<double>::quiet_NaN());
  for (const TriedHeads& tried : search.heads_tried) {
    const auto& [layer, head] = tried.heads.front();
    values.values[static_cast<std::size_t>(layer * search.heads + head)] = shown_of(tried);
  }
  return head_value_map(heatmap_title(search), values, search.best(settings.want).heads);
}

std::string held_out_figure(const HeadSearch& search) {
  const double left = kLeft, right = kLeft + kPlotWidth, top = kTop + 20, bottom = top + kPlotHeight;
  double low = std::min(search.base_level, search.all_level), high = search.base_level;
  high = std::max(high, search.all_level);
  const auto interval_of = [&](const SelectedSet& set) {
    const double change = set.level - search.base_level;
    const Interval around = set.held_out.interval.value_or(Interval{change, change});
    return Interval{search.base_level + around.low, search.base_level + around.high};
  };
  for (const SelectedSet& set : search.sets) {
    low = std::min({low, interval_of(set).low, set.random.low});
    high = std::max({high, interval_of(set).high, set.random.high});
  }
  low -= 0.03, high += 0.03;
  if (!search.patched) low = std::max(0.0, low), high = std::min(1.0, high);
  const svg::Scale y{100 * high, 100 * low, top, bottom};
  const double step = kPlotWidth / static_cast<double>(search.sets.size());
  std::string out = svg::begin(right + 150, bottom + kBelow);
  const std::string measure = search.patched ? std::string(patched_measure(search.patched->settings)) : "";
  out += svg::text(10, 20,
                   measure.empty() ? "Accuracy (%) on the half that was held out"
                                   : fmt::format("What is {} (%), on the half that was held out", measure),
                   {.bold = true});
  out += svg::value_grid(y, left, right);
  const auto level = [&](double accuracy, const char* color, const char* label) {
    out +=
        svg::line({{left, y(100 * accuracy)}, {right, y(100 * accuracy)}}, {.color = color, .dashes = "7 3"});
    out += svg::text(right + 6, y(100 * accuracy) + 4, label, {.color = color});
  };
  level(search.base_level, "#444", search.patched ? "no head" : "unchanged");
  level(search.all_level, "#c2571a", "all heads");
  for (std::size_t s = 0; s < search.sets.size(); ++s) {
    const SelectedSet& set = search.sets[s];
    const double x = left + step * (static_cast<double>(s) + 0.5);
    out += svg::area(box(x + 8, y(100 * set.random.high), 14,
                         std::max(2.0, y(100 * set.random.low) - y(100 * set.random.high))),
                     "#999999", 0.5);
    out +=
        svg::line({{x + 6, y(100 * set.random.mean)}, {x + 24, y(100 * set.random.mean)}}, {.color = "#555"});
    const Interval around = interval_of(set);
    out += svg::line({{x - 8, y(100 * around.low)}, {x - 8, y(100 * around.high)}}, {.color = "#2a6fb0"});
    out += svg::mark(x - 8, y(100 * set.level), 0, "#2a6fb0");
    out += svg::text(x, bottom + 16, std::to_string(set.heads.size()), {.anchor = "middle"});
  }
  out += svg::text((left + right) / 2, bottom + 34,
                   "heads: selected (dot, 95% interval of the change) and random (range, mean)",
                   {.anchor = "middle"});
  return out + svg::end();
}

}  // namespace refocus
