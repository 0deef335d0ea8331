// Accuracy over the main axis of a sweep, drawn as SVG.
#pragma once

#include <string>

#include "eval/report/sweep_report.h"

namespace refocus {

// A panel for each task, kind of prompt and method, with a scale of its own: a line a curve with its 95%
// interval (a band for one curve, bars for up to six), and a dashed line for the arm without intervention.
// Curves differ in colour, dashes and marks. Empty where no accuracy is known.
std::string sweep_svg(const SweepReport& report);

}  // namespace refocus
