// What an evaluation ends with on a terminal: of eval, and of join.
#pragma once

#include "eval/run/reports.h"

namespace refocus::cli {

// The tables of a run, or what its sweep shows in place of a column an arm and a table a pair.
void print_tables(const EvalOutcome& outcome);

// Where its files are.
void print_places(const EvalOutcome& outcome);

}  // namespace refocus::cli
