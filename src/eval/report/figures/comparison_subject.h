// What a picture of a comparison is of, in words: arms, tasks and numbers of questions.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "eval/report/comparison_rows.h"
#include "eval/report/figures/comparison_figures.h"

namespace refocus {

// A comparison seen through the options of a picture.
class FigureSubject {
 public:
  // UsageError by --arms for a name that no arm has.
  FigureSubject(const Comparison& comparison, const ComparisonFigureOptions& options);

  const Comparison& comparison() const { return comparison_; }
  const std::string& label(std::size_t arm) const { return labels_[arm]; }  // arm_labels
  const std::vector<std::string>& labels() const { return labels_; }
  bool shows(std::size_t arm) const { return shown_[arm]; }
  // The pairs of a task whose arm is shown.
  std::vector<const PairComparison*> pairs(const TaskComparison& task) const;
  std::vector<std::size_t> arms() const;  // those that are shown

  // Adds the rows of a task that `sets` asks for, "all" last; `fill` puts marks and numbers of a set of items
  // in.
  void add_rows(const TaskComparison& task, FigureSets sets, figure::RowChart& chart,
                const std::function<void(std::size_t set, figure::ChartRow& row)>& fill) const;
  // The task where several share the picture, or nothing.
  std::string heading(const TaskComparison& task) const;

  // Whether answers of the task are right or wrong.
  bool is_scored(const TaskComparison& task) const;
  std::string metric() const;  // "accuracy", of the first task that has one
  // "worlds (630 questions)", with " and " and commas between several.
  std::string tasks_text() const;

 private:
  std::vector<ComparisonRow> rows(const TaskComparison& task, FigureSets sets) const;

  const Comparison& comparison_;
  std::vector<std::string> labels_;
  std::vector<char> shown_;  // [arms]
};

}  // namespace refocus
