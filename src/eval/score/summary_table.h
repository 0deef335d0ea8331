// The table that an evaluation prints at its end: plain text for a terminal, accuracies in per cent with one
// standard error.
#pragma once

#include <string>
#include <vector>

#include "eval/task/scoring.h"

namespace refocus {

struct ArmScores {
  std::string arm;
  std::vector<TaskScores> tasks;  // the same tasks in every arm
};

// One table a task: subjects by category first and totals last, where a reader's terminal stands. With one
// arm every row has its counts; with several, arms are columns under a numbered legend, and counts are rows
// of the totals. More arms than fit into `columns` continue in a further table. Lines stay within `columns`
// (at least 80; names of more than 36 columns are cut in rows, never in the legend).
std::string summary_table(const std::vector<ArmScores>& arms, int columns = 100);

}  // namespace refocus
