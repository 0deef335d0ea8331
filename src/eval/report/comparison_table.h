// A comparison as plain text for a terminal.
#pragma once

#include <string>
#include <vector>

#include "eval/score/comparison.h"

namespace refocus {

struct ComparisonTableOptions {
  bool arms = true;               // begin with each arm's accuracies, intervals, rates and lengths
  bool subjects = true;           // a row a subject, not the totals alone
  std::vector<std::string> runs;  // the paths of two compared runs; empty for one
  int columns = 100;              // lines stay within these (at least 100) but for names of arms
};

// A table a task and pair: accuracies in per cent, their difference in points with its interval, p, p after
// Holm, and the numbers of items fixed and broken.
std::string comparison_table(const Comparison& comparison, const ComparisonTableOptions& options);

// The items whose correctness changed, with both letters; with `responses` also with both texts. Control
// characters of responses are shown as escapes.
std::string flip_list(const Comparison& comparison, const std::vector<std::string>& runs, bool responses);

}  // namespace refocus
