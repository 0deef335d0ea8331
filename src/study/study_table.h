// A study as plain text for a terminal.
#pragma once

#include <span>
#include <string>

#include "study/study_comparison.h"

namespace refocus {

// A table an arm, with a line a layer, and for each comparison the statistics that differ by more than chance
// (Holm's p below 0.05), the clearest of them first. Lines stay within 100 columns.
std::string study_table(const Study& study, std::span<const StudyComparison> comparisons);

}  // namespace refocus
