// A comparison as tables for a paper: LaTeX with booktabs, or Markdown. The numbers are those of the tables
// in a terminal.
#pragma once

#include <string>
#include <vector>

#include "eval/score/comparison.h"
#include "eval/text/printed_table.h"

namespace refocus {

// For each task its arms, the differences over all items, and where there are several subjects each pair by
// them. `runs`: the paths of two compared runs; empty for one.
std::vector<PrintedTable> comparison_tables(const Comparison& comparison,
                                            const std::vector<std::string>& runs);

std::string comparison_latex(const Comparison& comparison, const std::vector<std::string>& runs);
std::string comparison_markdown(const Comparison& comparison, const std::vector<std::string>& runs);

}  // namespace refocus
