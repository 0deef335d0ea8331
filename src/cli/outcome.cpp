#include "cli/outcome.h"

#include <fmt/core.h>

#include <algorithm>

#include "eval/journal/run_directory.h"
#include "eval/report/comparison_table.h"
#include "eval/report/sweep/sweep_files.h"
#include "eval/report/sweep/sweep_table.h"

namespace refocus::cli {

namespace {

namespace fs = std::filesystem;

// How the arms differ; of many subjects only their totals, so that the tables stay in sight.
void print_comparison(const Comparison& comparison, const fs::path& run) {
  constexpr std::ptrdiff_t kRows = 40;
  std::ptrdiff_t rows = 0;
  for (const TaskComparison& task : comparison.tasks) {
    rows += std::ssize(task.pairs) * std::ranges::count(task.sets, ItemSet::Kind::kSubject, &ItemSet::kind);
  }
  const bool subjects = rows <= kRows;
  fmt::print("{}", comparison_table(comparison, {.arms = false, .subjects = subjects, .runs = {}}));
  if (!subjects) fmt::print("For each subject: refocus compare {}\n", run.string());
}

void print_sweep(const SweepReport& sweep, const fs::path& run) {
  fmt::print("{}", sweep_table(sweep));
  const bool drawn = fs::exists(run / kSweepFigure);
  std::string figures = drawn ? (run / kSweepFigure).string() + ", " : "";
  if (fs::exists(run / kSweepGridFigure)) figures += (run / kSweepGridFigure).string() + ", ";
  fmt::print("For each subject and pair of arms: refocus compare {}\n{}: {}{}\n", run.string(),
             drawn ? "Figure and numbers" : "Numbers", figures, (run / kSweepFile).string());
}

}  // namespace

void print_tables(const EvalOutcome& outcome) {
  if (outcome.sweep) return print_sweep(*outcome.sweep, outcome.run_directory);
  fmt::print("{}\n", summary_table(outcome.scores));
  if (const std::string table = harness::harness_table(outcome.harness); !table.empty())
    fmt::print("{}\n", table);
  if (outcome.comparison) print_comparison(*outcome.comparison, outcome.run_directory);
}

void print_places(const EvalOutcome& outcome) {
  fmt::print("Answers and results: {}\n", outcome.run_directory.string());
  if (outcome.open > 0) return;
  fmt::print("Report: {}\n", (outcome.run_directory / RunDirectory::kReportFile).string());
}

}  // namespace refocus::cli
