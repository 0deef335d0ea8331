#include "study/study_table.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "analyze/row_statistics.h"
#include "eval/text/table_text.h"
#include "stats/wilson.h"
#include "study/study_summary.h"

namespace refocus {

namespace {

struct Column {
  const char* statistic;
  const char* title;
};
constexpr std::array<Column, 9> kTableColumns = {{{"entropy", "entropy"},
                                                  {"mass_first", "first"},
                                                  {"mass_previous", "prev."},
                                                  {"mass_self", "self"},
                                                  {"mass_non_semantic", "non-sem."},
                                                  {"outlier_keys.all", "outliers"},
                                                  {"divergence_layer0", "from l. 0"},
                                                  {"mass_mask_after", "under M"},
                                                  {"row_sum", "row sum"}}};
constexpr int kWidth = 10;
constexpr std::size_t kMost = 8;

std::string shown(double value) { return std::isnan(value) ? "-" : fmt::format("{:.3f}", value); }

// Of each layer: how much of its weights is negative, and of how many texts a statistic of rows has no value.
void add_notes(const Study& study, std::size_t arm, const ArmSummary& summary, TextLines& out) {
  const auto texts = std::ssize(study.arms[arm].texts);
  for (std::int64_t layer = 0; layer < study.layers; ++layer) {
    const double negative =
        study.has_negative() ? summary.mean(study, layer, study.statistics.size() - 1) : 0.0;
    if (negative > 0) {
      out.line(fmt::format("  layer {}: {:.1f} % of the weights' sizes are of negative ones", layer,
                           100 * negative));
    }
    std::int64_t statistics = 0, most = 0;
    for (std::size_t s = 0; s < study.statistics.size(); ++s) {
      const std::int64_t without = texts - summary.texts_with(study, layer, s);
      if (without == 0 || !is_row_statistic(study.statistics[s])) continue;
      ++statistics;
      most = std::max(most, without);
    }
    if (statistics > 0) {
      out.line(fmt::format("  layer {}: no value of {} statistics in up to {} of {} texts", layer, statistics,
                           with_thousands(most), with_thousands(texts)));
    }
  }
}

void add_arm(const Study& study, std::size_t arm, TextLines& out) {
  const ArmSummary summary = summarise(study, arm);
  std::string head = fmt::format("{}: {} texts, {:.1f} tokens generated", study.arms[arm].name,
                                 with_thousands(std::ssize(study.arms[arm].texts)), summary.generated_tokens);
  if (summary.labelled > 0) {
    const Interval interval = wilson_interval(summary.right, summary.labelled);
    head += fmt::format(", right {:.1f} % [{:.1f}, {:.1f}]",
                        100.0 * static_cast<double>(summary.right) / static_cast<double>(summary.labelled),
                        100 * interval.low, 100 * interval.high);
  }
  out.line(head);
  std::string line = right("layer", 6);
  for (const Column& column : kTableColumns) line += right(column.title, kWidth);
  out.line(line);
  for (std::int64_t layer = 0; layer < study.layers; ++layer) {
    line = right(std::to_string(layer), 6);
    for (const Column& column : kTableColumns) {
      line += right(shown(summary.mean(study, layer, study.place(column.statistic))), kWidth);
    }
    out.line(line);
  }
  add_notes(study, arm, summary, out);
  out.line();
}

std::string short_name(const TextGroup& group, const char* otherwise) {
  return group.name.size() < 10 ? group.name : otherwise;
}

void add_comparison(const Study& study, const StudyComparison& comparison, TextLines& out) {
  out.line(comparison_title(study, comparison));
  if (comparison.rows.empty()) {
    out.line(fmt::format("  not compared: a group has fewer than {} texts{}", kLeastTexts,
                         comparison.missing.empty() ? "" : " with a value"));
    out.line();
    return;
  }
  std::vector<const StatisticDifference*> clear;
  for (const StatisticDifference& row : comparison.rows) {
    if (row.p_holm < 0.05) clear.push_back(&row);
  }
  // The clearest by the distance from 0 in half-widths of the interval, which orders as p does. Those without
  // an interval come last.
  const auto clearness = [](const StatisticDifference* row) {
    const MeanDifference& d = row->difference;
    return d.interval ? std::fabs(d.difference) / (d.interval->high - d.difference) : 0.0;
  };
  std::ranges::stable_sort(clear, std::greater(), clearness);
  out.line(fmt::format("  {} of {} statistics and layers differ by more than chance (Holm's p < 0.05){}",
                       clear.size(), comparison.rows.size(), clear.size() > kMost ? "; the clearest:" : ""));
  if (!comparison.missing.empty()) {
    out.line(fmt::format("  {} statistics and layers left out: fewer than {} texts of a group have a value",
                         comparison.missing.size(), kLeastTexts));
  }
  if (!clear.empty()) {
    out.line("  " + left("statistic", 30) + right("layer", 6) +
             right(short_name(comparison.first, "first"), 10) +
             right(short_name(comparison.second, "second"), 10) + right("difference", 30) + right("Holm", 9));
  }
  for (std::size_t i = 0; i < std::min(kMost, clear.size()); ++i) {
    const StatisticDifference& row = *clear[i];
    const MeanDifference& d = row.difference;
    const std::string interval =
        d.interval ? fmt::format("[{:+.3f}, {:+.3f}]", d.interval->low, d.interval->high) : "(no spread)";
    out.line("  " + left(study.statistics[row.statistic], 30) + right(std::to_string(row.layer), 6) +
             right(shown(row.first_mean), 10) + right(shown(row.second_mean), 10) +
             right(fmt::format("{:+.3f} {}", d.difference, interval), 30) +
             right(row.p_holm < 1e-4 ? "<.0001" : fmt::format("{:.4f}", row.p_holm), 9));
  }
  out.line();
}

}  // namespace

std::string study_table(const Study& study, std::span<const StudyComparison> comparisons) {
  TextLines out;
  out.line(
      "Means over heads, rows and texts; outliers are keys a head and text; docs/study.md defines each "
      "number");
  out.line();
  for (std::size_t a = 0; a < study.arms.size(); ++a) add_arm(study, a, out);
  for (const StudyComparison& comparison : comparisons) add_comparison(study, comparison, out);
  return out.take();
}

}  // namespace refocus
