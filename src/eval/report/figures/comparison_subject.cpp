#include "eval/report/figures/comparison_subject.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "eval/score/arm_labels.h"
#include "eval/text/table_text.h"

namespace refocus {

FigureSubject::FigureSubject(const Comparison& comparison, const ComparisonFigureOptions& options)
    : comparison_(comparison),
      labels_(arm_labels(comparison.arms, options.runs)),
      shown_(comparison.arms.size(), options.arms.empty()) {
  for (const std::string& name : options.arms) {
    bool found = false;
    for (std::size_t a = 0; a < comparison.arms.size(); ++a) {
      if (comparison.arms[a].arm.name != name && labels_[a] != name) continue;
      shown_[a] = found = true;
    }
    if (found) continue;
    std::vector<std::string> names;
    for (const ComparedArm& arm : comparison.arms) names.push_back(printable(arm.arm.name, 200));
    throw usage_error("--arms", "expected an arm of the run, got '{}'; the arms are {}", printable(name),
                      fmt::join(names, ", "));
  }
}

std::vector<const PairComparison*> FigureSubject::pairs(const TaskComparison& task) const {
  std::vector<const PairComparison*> out;
  for (const PairComparison& pair : task.pairs) {
    if (shows(pair.pair.arm)) out.push_back(&pair);
  }
  return out;
}

std::vector<std::size_t> FigureSubject::arms() const {
  std::vector<std::size_t> out;
  for (std::size_t a = 0; a < shown_.size(); ++a) {
    if (shown_[a]) out.push_back(a);
  }
  return out;
}

std::vector<ComparisonRow> FigureSubject::rows(const TaskComparison& task, FigureSets sets) const {
  const ComparisonRows found = comparison_rows(task);
  std::vector<ComparisonRow> out;
  if (sets == FigureSets::kSubjects) out = found.subjects;
  const std::size_t subjects = out.size();
  for (const ComparisonRow& row : found.totals) {
    if (sets == FigureSets::kAll && task.sets[*row.set].kind != ItemSet::Kind::kAll) continue;
    out.push_back(row);
  }
  // Above the first total, or of totals alone above the last.
  const std::size_t ruled = subjects > 0 ? subjects : out.size() - 1;
  out[ruled].rule = ruled > 0;
  return out;
}

void FigureSubject::add_rows(const TaskComparison& task, FigureSets sets, figure::RowChart& chart,
                             const std::function<void(std::size_t, figure::ChartRow&)>& fill) const {
  for (const ComparisonRow& row : rows(task, sets)) {
    figure::ChartRow& out = chart.rows.emplace_back();
    out.label = row.label;
    out.heading = !row.set;
    if (!row.set) continue;
    out.total = row.rule;
    fill(*row.set, out);
  }
}

std::string FigureSubject::heading(const TaskComparison& task) const {
  return comparison_.tasks.size() > 1 ? printable(task.task, 200) : "";
}

bool FigureSubject::is_scored(const TaskComparison& task) const {
  return kind_of(comparison_, task).type != AnswerType::kTranscript;
}

std::string FigureSubject::metric() const {
  for (const TaskComparison& task : comparison_.tasks) {
    if (is_scored(task)) return std::string(kind_of(comparison_, task).metric_title());
  }
  return "accuracy";
}

std::string FigureSubject::tasks_text() const {
  std::vector<std::string> names;
  for (const TaskComparison& task : comparison_.tasks) {
    const Tally& tally = task.tallies.front().back();
    const std::int64_t items = is_scored(task) ? tally.labelled : tally.answered;
    names.push_back(fmt::format("{} ({} {})", printable(task.task, 200), with_thousands(items),
                                items == 1 ? "question" : "questions"));
  }
  if (names.size() < 2) return names.empty() ? "" : names.front();
  const std::string last = names.back();
  names.pop_back();
  return fmt::format("{} and {}", fmt::join(names, ", "), last);
}

}  // namespace refocus
