// A sweep as plain text for a terminal.
#pragma once

#include <string>

#include "eval/report/sweep/sweep_report.h"

namespace refocus {

// A table a task, with a row a swept point under each row without intervention, and below it what the best
// point, chosen on one half of the questions, is worth on the other. Lines stay within 100 columns.
std::string sweep_table(const SweepReport& report);

}  // namespace refocus
