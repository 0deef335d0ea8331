// The part of a report that shows the accuracy of each arm as a picture, first thing and without script.
#pragma once

#include <string>

#include "eval/report/html_tables.h"

namespace refocus {

// For each task a line an arm: its accuracy, and where it and its 95% interval lie on a common scale, with
// the baseline that it is compared with. Arms beyond the first 24 can be unfolded. "" where no accuracy is
// known.
std::string html_accuracies(const ReportView& view);

}  // namespace refocus
