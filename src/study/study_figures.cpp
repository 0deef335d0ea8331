#include "study/study_figures.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "figure/svg.h"

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
constexpr double kPanel = 300, kColumns = 3, kHigh = 200, kLeft = 52, kTop = 64, kAbove = 30, kBelow = 34;
constexpr std::array<const char*, 6> kColors = {"#2a6fb0", "#c2571a", "#2b8a57",
                                                "#8a4fa3", "#a67c00", "#c43c6d"};
constexpr std::array<const char*, 4> kDashes = {"", "7 3", "2 3", "9 3 2 3"};

struct Point {
  double mean = 0;
  Interval interval;
};

struct Series {
  std::string label;
  std::vector<std::optional<Point>> layers;
};

// The mean over texts; absent for fewer than two.
std::optional<Point> mean_point(const std::vector<double>& values) {
  if (values.size() < 2) return std::nullopt;
  const std::vector<double> zeros(values.size(), 0.0);
  const MeanDifference mean = paired_difference(zeros, values);
  // Texts that do not vary have no band.
  return Point{mean.difference, mean.interval.value_or(Interval{mean.difference, mean.difference})};
}

Series series_of(const Study& study, const TextGroup& group, std::size_t statistic) {
  Series out{group.name, {}};
  for (std::int64_t layer = 0; layer < study.layers; ++layer) {
    std::vector<double> values;
    for (const std::size_t place : group.texts) {
      const StudiedText& text = study.arms[group.arm].texts[place];
      const double value = study.value(group.before ? *text.before : text.attention, layer, statistic);
      if (!std::isnan(value)) values.push_back(value);
    }
    out.layers.push_back(mean_point(values));
  }
  return out;
}

svg::Scale value_scale(const std::vector<Series>& all, double top, double bottom) {
  double low = INFINITY, high = -INFINITY;
  for (const Series& series : all) {
    for (const auto& point : series.layers) {
      if (!point) continue;
      low = std::min(low, point->interval.low);
      high = std::max(high, point->interval.high);
    }
  }
  if (low > high) low = 0, high = 1;
  // What hardly varies is not blown up to fill a panel.
  const double least = std::max(0.02 * std::max(std::fabs(low), std::fabs(high)), 1e-6);
  if (high - low < least) high += least / 2, low -= least / 2;
  const double margin = 0.06 * (high - low);
  return {high + margin, low - margin, top, bottom};
}

std::string series_svg(const Series& series, std::size_t which, const svg::Scale& x, const svg::Scale& y) {
  const char* color = kColors[which % kColors.size()];
  svg::Points line, high, low;
  std::string marks;
  for (std::size_t l = 0; l < series.layers.size(); ++l) {
    if (!series.layers[l]) continue;
    const Point& point = *series.layers[l];
    const double at = x(static_cast<double>(l));
    line.emplace_back(at, y(point.mean));
    high.emplace_back(at, y(point.interval.high));
    low.emplace_back(at, y(point.interval.low));
    if (series.layers.size() <= 16) marks += svg::mark(at, y(point.mean), static_cast<int>(which), color);
  }
  if (line.empty()) return "";
  svg::Points corners = high;
  corners.insert(corners.end(), low.rbegin(), low.rend());
  return svg::area(corners, color, 0.15) +
         svg::line(line, {.color = color, .dashes = kDashes[which / kColors.size() % kDashes.size()]}) +
         marks;
}

std::string panel_svg(const Study& study, const std::vector<TextGroup>& groups, const Shown& shown,
                      double left, double top) {
  std::vector<Series> all;
  for (const TextGroup& group : groups) all.push_back(series_of(study, group, study.place(shown.statistic)));
  const double bottom = top + kHigh - kBelow,
               last = static_cast<double>(std::max<std::int64_t>(study.layers - 1, 1));
  const svg::Scale y = value_scale(all, top + kAbove, bottom);
  const svg::Scale x{-0.03 * last, 1.03 * last, left + kLeft, left + kPanel - 12};
  std::string out = svg::text(left + kLeft, top + 18, shown.title, {.bold = true});
  out += svg::value_grid(y, x.first, x.last);
  out += svg::line({{x.first, bottom}, {x.last, bottom}}, {.color = "#888", .width = 1});
  for (const double layer : svg::ticks(0, last, std::max(1.0, svg::nice_step(last)))) {
    out += svg::text(x(layer), bottom + 16, fmt::format("{:g}", layer), {.anchor = "middle"});
  }
  for (std::size_t i = 0; i < all.size(); ++i) out += series_svg(all[i], i, x, y);
  return out;
}

std::string groups_svg(const Study& study, const std::string& title, const std::vector<TextGroup>& groups) {
  constexpr double kRow = 18;
  const double legend = kTop + kRow * static_cast<double>(groups.size() - 1);
  const auto rows = std::ceil(static_cast<double>(kShown.size()) / kColumns);
  std::string out = svg::begin(kColumns * kPanel, legend + rows * kHigh + 8);
  out += svg::text(16, 24, title, {.bold = true});
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const double y = 48 + kRow * static_cast<double>(i);
    const char* color = kColors[i % kColors.size()];
    out += svg::line({{16, y - 4}, {44, y - 4}}, {.color = color, .dashes = kDashes[i / kColors.size() % 4]});
    out += svg::mark(30, y - 4, static_cast<int>(i), color);
    out += svg::text(52, y, groups[i].name, {.color = color});
  }
  for (std::size_t i = 0; i < kShown.size(); ++i) {
    const auto column = static_cast<double>(i % static_cast<std::size_t>(kColumns));
    const auto row = static_cast<double>(i / static_cast<std::size_t>(kColumns));
    out += panel_svg(study, groups, kShown[i], column * kPanel, legend + row * kHigh);
  }
  return out + svg::end();
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
