// Accuracy over the main axis of a sweep, drawn.
#pragma once

#include <string>

#include "eval/report/sweep/sweep_grid.h"
#include "figure/style.h"

namespace refocus {

// Of a sweep.json: a panel for each task, kind of prompt and method, with a scale of its own: a line a curve
// with its 95% intervals (a band for one curve, bars for up to six), and a dashed line for the arm without
// intervention. `titles`: each panel says what it is of and what all of its points share; otherwise panels
// are named where there are several. InputError on JSON of another shape; no svg where no accuracy is known.
figure::Picture sweep_figure(const SweepNode& sweep, const figure::Style& style, bool titles = false);

// sweep.svg of a run directory. Empty where no accuracy is known.
std::string sweep_svg(const SweepNode& sweep);

}  // namespace refocus
