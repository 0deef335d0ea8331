// Panels of lines over a common kind of axis, with one legend a panel or one for all.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "figure/axis.h"
#include "figure/row_chart.h"

namespace refocus::figure {

struct LinePoint {
  double x = 0, y = 0;
  std::optional<Range> range = {};  // its interval
};

struct LineSeries {
  std::string label = {};
  std::vector<LinePoint> points = {};  // x ascending
};

// How intervals are drawn.
enum class Intervals {
  kNone,
  kBand,  // behind each line
  kBars,  // at each point, lines a little aside of each other
};

struct LinePanel {
  std::string title = {};
  std::vector<LineSeries> series = {};
  Intervals intervals = Intervals::kBand;
  bool joined = true;                 // whether a line goes from point to point
  std::vector<Tick> references = {};  // dashed lines at these heights, with labels in the legend
  std::optional<Range> within = {};   // what values cannot leave, so that the axis does not either
  std::vector<Tick> x_ticks = {};     // those that are wanted; nice ones where there are none
  std::string x_label = {}, y_label = {};
  double least_y_range = 0;  // what hardly varies is not blown up beyond this
};

struct LineChart {
  std::vector<LinePanel> panels = {};
  std::size_t columns = 1;
  bool one_legend = false;   // that of the first panel, above all
  double plot_height = 120;  // points, where no height is asked for
};

// UsageError by --height where the panels do not fit into it.
Picture line_chart(const LineChart& chart, const Style& style, std::string caption);

}  // namespace refocus::figure
