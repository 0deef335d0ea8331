#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "eval/report/comparison_text.h"
#include "eval/report/figures/comparison_figures.h"
#include "eval/report/figures/comparison_subject.h"
#include "eval/score/arm_labels.h"
#include "eval/text/table_text.h"

namespace refocus {
namespace {

using figure::ChartRow;
using figure::RowChart;
using figure::RowMark;

constexpr std::size_t kMostTests = 8;  // that a caption names

PairLabels labels_of(const FigureSubject& subject, const ArmPair& pair) {
  return pair_labels(subject.comparison(), subject.labels(), pair);
}

// "p = 0.0312", "p < .0001".
std::string p_words(const PairedNumbers& numbers) {
  const std::string text = p_text(numbers.p);
  if (text.empty()) return "";
  return text.starts_with('<') ? "p < 0" + text.substr(1) : "p = " + text;
}

// Each pair's p over all items, where these are few.
std::string tests_text(const FigureSubject& subject) {
  std::vector<std::string> out;
  for (const TaskComparison& task : subject.comparison().tasks) {
    for (const PairComparison* pair : subject.pairs(task)) {
      const std::string p = p_words(pair->numbers.back());
      if (p.empty()) continue;
      const std::string of_task = subject.heading(task);
      out.push_back(fmt::format("{}{}: {}", of_task.empty() ? "" : of_task + ", ",
                                pair_label(subject.comparison(), subject.labels(), pair->pair), p));
    }
  }
  if (out.empty() || out.size() > kMostTests) return "";
  std::string text =
      " McNemar's exact test over all questions, two-sided, not corrected for the number of arms: ";
  for (std::size_t i = 0; i < out.size(); ++i) text += (i == 0 ? "" : "; ") + out[i];
  return text + ".";
}

// Pairs of a task that have one baseline, in their order.
std::vector<std::vector<const PairComparison*>> by_baseline(std::vector<const PairComparison*> pairs) {
  std::vector<std::vector<const PairComparison*>> out;
  for (const PairComparison* pair : pairs) {
    const auto own = std::ranges::find_if(
        out, [&](const auto& group) { return group.front()->pair.baseline == pair->pair.baseline; });
    if (own == out.end()) {
      out.push_back({pair});
    } else {
      own->push_back(pair);
    }
  }
  return out;
}

// Marks of one set of items: of a forest or of flips.
using MarksOf = std::vector<RowMark> (*)(const PairedNumbers&, std::size_t series);

// A row a pair, all items together.
template <class Numbers>
void add_pairs(const FigureSubject& subject, const TaskComparison& task, MarksOf marks_of,
               const Numbers& numbers_of, RowChart& chart) {
  const auto groups = by_baseline(subject.pairs(task));
  for (const auto& group : groups) {
    std::string heading = subject.heading(task);
    if (groups.size() > 1 || !heading.empty()) {
      heading +=
          (heading.empty() ? "" : ", ") + ("against " + labels_of(subject, group.front()->pair).baseline);
      chart.rows.push_back({.label = heading, .heading = true});
    }
    for (const PairComparison* pair : group) {
      const PairedNumbers& numbers = pair->numbers.back();
      chart.rows.push_back({.label = labels_of(subject, pair->pair).arm,
                            .marks = marks_of(numbers, 0),
                            .numbers = numbers_of(numbers)});
    }
  }
}

// A row a set of items, with the marks of these pairs.
template <class Numbers>
void add_sets(const FigureSubject& subject, const TaskComparison& task, FigureSets sets,
              const std::vector<const PairComparison*>& pairs, MarksOf marks_of, const Numbers& numbers_of,
              RowChart& chart) {
  subject.add_rows(task, sets, chart, [&](std::size_t set, ChartRow& out) {
    for (std::size_t p = 0; p < pairs.size(); ++p) {
      for (RowMark& mark : marks_of(pairs[p]->numbers[set], p)) out.marks.push_back(std::move(mark));
    }
    if (pairs.size() == 1) out.numbers = numbers_of(pairs.front()->numbers[set]);
  });
}

// The pair that all rows are of, or nothing where there are several.
const PairComparison* only_pair(const FigureSubject& subject) {
  const PairComparison* found = nullptr;
  for (const TaskComparison& task : subject.comparison().tasks) {
    if (!subject.is_scored(task)) continue;
    const auto pairs = subject.pairs(task);
    if (pairs.size() != 1) return nullptr;
    found = pairs.front();
  }
  return found;
}

// "each arm and its baseline", or the two by name.
std::string who(const FigureSubject& subject) {
  const PairComparison* pair = only_pair(subject);
  return pair == nullptr ? "each arm and its baseline"
                         : pair_label(subject.comparison(), subject.labels(), pair->pair);
}

void expect_pairs(const FigureSubject& subject) {
  bool scored = false;
  for (const TaskComparison& task : subject.comparison().tasks) {
    scored |= subject.is_scored(task);
    if (subject.is_scored(task) && !subject.pairs(task).empty()) return;
  }
  if (!scored) {
    throw input_error("figure", "expected answers that are right or wrong, got transcripts; use lengths");
  }
  throw usage_error("--arms",
                    "expected an arm that is compared with another, got baselines alone; name others");
}

std::vector<RowMark> difference_marks(const PairedNumbers& numbers, std::size_t series) {
  if (!numbers.difference) return {};
  RowMark mark{.series = series, .value = 100 * *numbers.difference};
  if (numbers.interval) mark.interval = {100 * numbers.interval->low, 100 * numbers.interval->high};
  return {mark};
}

std::vector<RowMark> flip_marks(const PairedNumbers& numbers, std::size_t) {
  const auto bar = [](std::size_t series, double value, std::int64_t count) {
    return RowMark{
        .kind = RowMark::Kind::kBar, .series = series, .value = value, .text = with_thousands(count)};
  };
  return {bar(0, -static_cast<double>(numbers.broken), numbers.broken),
          bar(1, static_cast<double>(numbers.fixed), numbers.fixed)};
}

}  // namespace

figure::Picture forest_figure(const Comparison& comparison, const ComparisonFigureOptions& options) {
  const FigureSubject subject(comparison, options);
  expect_pairs(subject);
  RowChart chart;
  chart.reference = 0;
  chart.within = figure::Range{-100, 100};
  const auto numbers_of = [](const PairedNumbers& numbers) { return difference_text(numbers); };
  bool several_baselines = false;
  for (const TaskComparison& task : comparison.tasks) {
    if (!subject.is_scored(task)) continue;
    several_baselines |= by_baseline(subject.pairs(task)).size() > 1;
    if (options.sets == FigureSets::kAll) {
      add_pairs(subject, task, difference_marks, numbers_of, chart);
      continue;
    }
    if (!subject.heading(task).empty())
      chart.rows.push_back({.label = subject.heading(task), .heading = true});
    add_sets(subject, task, options.sets, subject.pairs(task), difference_marks, numbers_of, chart);
    if (!chart.series.empty()) continue;
    for (const PairComparison* pair : subject.pairs(task)) {
      chart.series.push_back(pair_label(comparison, subject.labels(), pair->pair));
    }
  }
  const PairComparison* only = only_pair(subject);
  chart.label = fmt::format("Difference in {} (points)", subject.metric());
  const bool one_baseline =
      options.sets == FigureSets::kAll && !several_baselines && comparison.tasks.size() == 1;
  if (one_baseline) {
    const ArmPair& pair =
        only != nullptr ? only->pair : subject.pairs(comparison.tasks.front()).front()->pair;
    chart.label =
        fmt::format("Difference in {} to {}, in points", subject.metric(), labels_of(subject, pair).baseline);
  }
  chart.numbers_title = "difference [95%]";
  std::string caption = fmt::format(
      "Difference in {} ({}) on {}, in percentage points, with 95% score intervals for paired proportions "
      "(Tango 1998).",
      subject.metric(), who(subject), subject.tasks_text());
  return figure::row_chart(chart, options.style, caption + tests_text(subject));
}

figure::Picture flips_figure(const Comparison& comparison, const ComparisonFigureOptions& options) {
  const FigureSubject subject(comparison, options);
  expect_pairs(subject);
  RowChart chart;
  chart.reference = 0;
  chart.swatches = chart.sizes = true;
  chart.series = {"broken", "fixed"};
  chart.label = "Questions";
  const auto numbers_of = [](const PairedNumbers& numbers) { return p_words(numbers); };
  for (const TaskComparison& task : comparison.tasks) {
    if (!subject.is_scored(task)) continue;
    if (options.sets == FigureSets::kAll) {
      add_pairs(subject, task, flip_marks, numbers_of, chart);
      continue;
    }
    for (const PairComparison* pair : subject.pairs(task)) {
      const std::string of_task = subject.heading(task);
      const bool several = only_pair(subject) == nullptr;
      if (several || !of_task.empty()) {
        chart.rows.push_back({.label = of_task + (several && !of_task.empty() ? ", " : "") +
                                       (several ? pair_label(comparison, subject.labels(), pair->pair) : ""),
                              .heading = true});
      }
      add_sets(subject, task, options.sets, {pair}, flip_marks, numbers_of, chart);
    }
  }
  std::string caption = fmt::format(
      "Questions of {} that are wrong in the baseline and right in the arm (fixed), and the other way round "
      "(broken): {}.",
      subject.tasks_text(), who(subject));
  return figure::row_chart(chart, options.style, caption + tests_text(subject));
}

}  // namespace refocus
