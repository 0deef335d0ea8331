#include "analyze/statistics_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

namespace refocus {

namespace {

struct Column {
  std::string_view heading, statistic;
  int decimals;
  double factor = 1;  // 100: in percent
};

constexpr Column kColumns[] = {
    {"entropy", "entropy", 2},
    {"first %", "mass_first", 1, 100},
    {"self %", "mass_self", 1, 100},
    {"prev %", "mass_previous", 1, 100},
    {"window %", "mass_window", 1, 100},
    {"non-sem %", "mass_non_semantic", 1, 100},
    {"outliers", "outlier_keys", 1},
    {"Jaccard", "jaccard_layer0", 2},
    {"JS div", "divergence_layer0", 3},
    {"M before %", "mass_mask_before", 1, 100},
    {"M after %", "mass_mask_after", 1, 100},
    {"row sum", "row_sum", 3},
    {"negative %", "mass_negative", 1, 100},  // the last, since it is there only where a weight is negative
};

// The mean of the values that are there; NaN where none is.
double mean(std::span<const double> values) {
  double sum = 0;
  int count = 0;
  for (const double v : values) {
    if (std::isnan(v)) continue;
    sum += v;
    ++count;
  }
  return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

std::vector<double> layer_means(const AttentionSettings& settings, const StatisticGrid& grid) {
  std::vector<double> out;
  const std::size_t heads = settings.heads.size();
  for (std::size_t l = 0; l < settings.layers.size(); ++l) {
    out.push_back(mean(std::span(grid.values[kAllClasses]).subspan(l * heads, heads)));
  }
  return out;
}

std::string cell(double value, const Column& column) {
  const std::string text =
      std::isnan(value) ? "-" : fmt::format("{:.{}f}", value * column.factor, column.decimals);
  return fmt::format("{:>{}}", text, column.heading.size() + 2);
}

// "Rows ... (layer 1: 20 of 110, layer 2: 5 of 110): ...", over heads; empty where there is no such row.
std::string rows_line(const AttentionSettings& settings, const AttentionResult& result,
                      const std::vector<std::int64_t>& rows, std::string_view which, std::string_view what) {
  std::string layers;
  const std::size_t heads = settings.heads.size();
  const std::int64_t all = result.queries[kAllClasses] * std::ssize(settings.heads);
  for (std::size_t l = 0; l < settings.layers.size(); ++l) {
    std::int64_t count = 0;
    for (const std::int64_t of_head : std::span(rows).subspan(l * heads, heads)) count += of_head;
    if (count == 0) continue;
    layers += fmt::format("{}layer {}: {} of {}", layers.empty() ? "" : ", ", settings.layers[l], count, all);
  }
  return layers.empty() ? "" : fmt::format("Rows {} ({}): {}\n", which, layers, what);
}

}  // namespace

std::string statistics_table(const AttentionSettings& settings, const AttentionResult& result) {
  std::vector<std::vector<double>> columns;
  std::string heading = "layer";
  for (const Column& column : kColumns) {
    const auto grid = std::find_if(result.grids.begin(), result.grids.end(),
                                   [&](const StatisticGrid& g) { return g.name == column.statistic; });
    if (grid == result.grids.end()) continue;
    heading += fmt::format("  {}", column.heading);
    columns.push_back(layer_means(settings, *grid));
  }
  std::string out = heading + "\n";
  for (std::size_t l = 0; l < settings.layers.size(); ++l) {
    out += fmt::format("{:>5}", settings.layers[l]);
    for (std::size_t c = 0; c < columns.size(); ++c) out += cell(columns[c][l], kColumns[c]);
    out += "\n";
  }
  if (settings.layers.size() > 1) {
    out += fmt::format("{:>5}", "mean");
    for (std::size_t c = 0; c < columns.size(); ++c) out += cell(mean(columns[c]), kColumns[c]);
    out += "\n";
  }
  return out +
         rows_line(settings, result, result.negative_rows, "with negative weights",
                   "shares, entropy and outliers are of sizes") +
         rows_line(settings, result, result.zero_rows, "of zeros",
                   "left out of shares, entropy, and comparisons with layer 0");
}

nlohmann::ordered_json layer_means_json(const AttentionSettings& settings, const AttentionResult& result) {
  nlohmann::ordered_json out;
  for (const StatisticGrid& grid : result.grids) {
    nlohmann::ordered_json& layers = out[grid.name] = nlohmann::ordered_json::array();
    for (const double value : layer_means(settings, grid)) {
      layers.push_back(std::isnan(value) ? nlohmann::ordered_json() : nlohmann::ordered_json(value));
    }
  }
  return out;
}

}  // namespace refocus
