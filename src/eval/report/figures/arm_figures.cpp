#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "eval/report/comparison_text.h"
#include "eval/report/figures/comparison_figures.h"
#include "eval/report/figures/comparison_subject.h"
#include "eval/text/table_text.h"
#include "figure/text_width.h"
#include "stats/bootstrap.h"

namespace refocus {
namespace {

using figure::ChartRow;
using figure::RowChart;
using figure::RowMark;

void add_arm_rows(const FigureSubject& subject, const TaskComparison& task, RowChart& chart) {
  for (const std::size_t arm : subject.arms()) {
    const Tally& tally = task.tallies[arm].back();
    chart.rows.push_back(
        {.label = subject.label(arm), .marks = accuracy_marks(tally, 0), .numbers = accuracy_text(tally)});
  }
}

void add_set_rows(const FigureSubject& subject, const TaskComparison& task, FigureSets sets,
                  RowChart& chart) {
  const std::vector<std::size_t> arms = subject.arms();
  subject.add_rows(task, sets, chart, [&](std::size_t set, ChartRow& out) {
    for (std::size_t series = 0; series < arms.size(); ++series) {
      for (RowMark& mark : accuracy_marks(task.tallies[arms[series]][set], series))
        out.marks.push_back(std::move(mark));
    }
    if (arms.size() == 1) out.numbers = accuracy_text(task.tallies[arms.front()][set]);
  });
}

std::vector<double> generated_lengths(const FinishedTask& task) {
  std::vector<double> out;
  for (const Answer& answer : task.answers.answers) {
    if (!answer.likelihoods) out.push_back(static_cast<double>(answer.response.generated_tokens));
  }
  return out;
}

}  // namespace

std::vector<RowMark> accuracy_marks(const Tally& tally, std::size_t series) {
  const auto interval = accuracy_interval(tally);
  if (!interval) return {};
  return {RowMark{.series = series,
                  .value = 100 * *tally.accuracy(),
                  .interval = figure::Range{100 * interval->low, 100 * interval->high}}};
}

RowMark length_mark(std::vector<double> lengths, double mean) {
  std::ranges::sort(lengths);
  const auto at = [&](double q) { return sorted_quantile(lengths, q); };
  return {.kind = RowMark::Kind::kBox,
          .value = mean,
          .interval = figure::Range{at(0.05), at(0.95)},
          .box = {at(0.25), at(0.75)},
          .middle = at(0.5)};
}

figure::Picture accuracy_figure(const Comparison& comparison, const ComparisonFigureOptions& options) {
  const FigureSubject subject(comparison, options);
  RowChart chart;
  chart.within = figure::Range{0, 100};
  const std::string metric = figure::capitalized(subject.metric());
  chart.label = metric + " (%)";
  chart.numbers_title = "[95%]";
  bool known = false;
  for (const TaskComparison& task : comparison.tasks) {
    for (const std::size_t arm : subject.arms()) known |= task.tallies[arm].back().accuracy().has_value();
    if (!subject.is_scored(task)) continue;
    if (!subject.heading(task).empty())
      chart.rows.push_back({.label = subject.heading(task), .heading = true});
    if (options.sets == FigureSets::kAll) {
      add_arm_rows(subject, task, chart);
    } else {
      add_set_rows(subject, task, options.sets, chart);
    }
  }
  if (!known) {
    throw input_error("figure",
                      "expected answers that are right or wrong, got none whose right answer is known; "
                      "use lengths");
  }
  if (options.sets != FigureSets::kAll) {
    for (const std::size_t arm : subject.arms()) chart.series.push_back(subject.label(arm));
  }
  const bool several = subject.arms().size() > 1;
  return figure::row_chart(
      chart, options.style,
      fmt::format(
          "{} of {} on {}, in per cent, with 95% score intervals (Wilson 1927) of each one alone.{}", metric,
          several ? "each arm" : subject.label(subject.arms().front()), subject.tasks_text(),
          several ? " All arms answer the same questions: whether two differ is not to be read from whether "
                    "these intervals overlap, but from the intervals of their difference."
                  : ""));
}

figure::Picture lengths_figure(const Comparison& comparison, const ComparisonFigureOptions& options) {
  const FigureSubject subject(comparison, options);
  RowChart chart;
  chart.label = "Generated tokens";
  chart.numbers_title = "mean";
  std::string cut;
  bool any = false;
  for (std::size_t t = 0; t < comparison.tasks.size(); ++t) {
    const TaskComparison& task = comparison.tasks[t];
    if (!subject.heading(task).empty())
      chart.rows.push_back({.label = subject.heading(task), .heading = true});
    for (const std::size_t arm : subject.arms()) {
      const Tally& tally = task.tallies[arm].back();
      const std::vector<double> lengths = generated_lengths(comparison.arms[arm].arm.tasks[t]);
      ChartRow& row = chart.rows.emplace_back(ChartRow{.label = subject.label(arm)});
      if (lengths.empty()) continue;
      any = true;
      row.marks.push_back(length_mark(lengths, tally.mean_generated_tokens().value_or(0)));
      row.numbers = one_decimal(tally.mean_generated_tokens());
      if (tally.truncated == 0) continue;
      cut += fmt::format("{}{}{} {}", cut.empty() ? "" : ", ",
                         subject.heading(task).empty() ? "" : subject.heading(task) + ", ",
                         subject.label(arm), rate_text(tally.truncated, tally));
    }
  }
  if (!any) {
    throw input_error("figure",
                      "expected answers that were generated, got log-likelihoods of options, which have "
                      "no length; use accuracy, forest or flips");
  }
  return figure::row_chart(
      chart, options.style,
      fmt::format("Generated tokens of an answer in each arm on {}. {}{}", subject.tasks_text(), kLengthMarks,
                  cut.empty() ? "" : " Cut off at the limit of new tokens: " + cut + "."));
}

}  // namespace refocus
