// A study's statistics over layers, drawn as SVG: a small panel a statistic, a line a group of texts.
#pragma once

#include <string>

#include "study/study_comparison.h"

namespace refocus {

// All texts of each arm. Bands are 95% intervals of the mean over texts (Student's t).
std::string arms_svg(const Study& study);

// The two groups of a comparison; empty where it has no rows.
std::string comparison_svg(const Study& study, const StudyComparison& comparison);

}  // namespace refocus
