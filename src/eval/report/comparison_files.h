// A comparison as files: comparison.json of a run directory (docs/run-directory.md), and a CSV for a
// spreadsheet.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "eval/score/comparison.h"

namespace refocus {

// How intervals of differences of accuracies are made, as files say it (stats/tango.h).
inline constexpr const char* kDifferenceInterval = "tango";

struct ComparisonFileOptions {
  std::vector<std::string> runs;  // the paths of two compared runs; empty for one
  bool responses = false;         // both texts beside every flip
};

nlohmann::ordered_json comparison_json(const Comparison& comparison,
                                       const ComparisonFileOptions& options = {});

// One row for every task, pair of arms and set of items; numbers that do not exist are empty.
std::string comparison_csv(const Comparison& comparison);

// Compares the arms of a finished run and writes RUN_DIRECTORY/comparison.json, atomically. The same answers
// make the same bytes. The comparison has the questions too (FinishedRunOptions).
Comparison write_comparison(const std::filesystem::path& run_directory);

}  // namespace refocus
