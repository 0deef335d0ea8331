// The table that an evaluation prints at its end: plain text for a terminal, accuracies in per cent with one
// standard error.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "eval/task/scoring.h"

namespace refocus {

struct ArmScores {
  std::string arm;
  std::vector<TaskScores> tasks;  // the same tasks in every arm
  std::string meaning = {};       // for the legend: the intervention of an arm with a name of its own
};

// One table a task: subjects by category first and totals last, where a reader's terminal stands. With one
// arm every row has its counts; with several, arms are columns under a numbered legend, and counts are rows
// of the totals. More arms than fit into `columns` continue in a further table. Lines stay within `columns`
// (at least 80; names of more than 36 columns are cut in rows, never in the legend).
std::string summary_table(const std::vector<ArmScores>& arms, int columns = 100);

// How many items were left out as too long for the context, by task and subject; `left_out_long` of a run's
// identity.
using LeftOut = std::map<std::string, std::map<std::string, std::int64_t>>;

// "3 items were left out, too long for the context: anatomy 2, astronomy 1"; empty where none was.
std::string left_out_text(const LeftOut& left_out);

}  // namespace refocus
