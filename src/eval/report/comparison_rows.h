// The rows that a task's table or picture has: its sets of items in the order that people read them in.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "eval/score/comparison.h"
#include "eval/task/task_kind.h"

namespace refocus {

// A set, or a heading of sets.
struct ComparisonRow {
  std::string label;
  std::optional<std::size_t> set;
  bool under_heading = false;
  bool rule = false;  // a rule stands above it, where a picture or table has all rows in one list
};

// Subjects under their categories, and the totals; a task of one subject has only its total.
struct ComparisonRows {
  std::vector<ComparisonRow> subjects, totals;
};
ComparisonRows comparison_rows(const TaskComparison& task);

// What the task is, which its results say.
const TaskKind& kind_of(const Comparison& comparison, const TaskComparison& task);

}  // namespace refocus
