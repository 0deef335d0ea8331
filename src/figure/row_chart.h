// A chart of rows: labels on the left, and on a common horizontal axis what each row has: estimates with
// their intervals, boxes, or bars.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "figure/style.h"

namespace refocus::figure {

struct Range {
  double low = 0, high = 0;
};

struct RowMark {
  enum class Kind {
    kEstimate,  // a mark at `value`, and a line over `interval`
    kBox,       // a box over `box` with a line at `middle`, whiskers over `interval`, a mark at `value`
    kBar,       // a bar from 0 to `value` with `text` beyond its end
  } kind = Kind::kEstimate;
  std::size_t series = 0;  // whose style it has; marks of one row lie below each other in this order
  double value = 0;
  std::optional<Range> interval = {};
  Range box = {};
  double middle = 0;
  std::string text = {};
};

struct ChartRow {
  std::string label = {};
  bool heading = false;  // without marks, in bold
  bool total = false;    // below a rule
  std::vector<RowMark> marks = {};
  std::string numbers = {};  // what stands at the right, where there is room
};

struct RowChart {
  std::vector<ChartRow> rows = {};
  std::vector<std::string> series = {};  // of the legend, which one series or none does not have
  bool swatches = false;                 // the legend shows areas: series are told apart by the bars' colours
  std::string label = {};                // of the axis
  std::optional<double> reference = {};  // a dashed line at this value, which the axis covers
  std::optional<Range> within = {};      // what values cannot leave, so that the axis does not either
  bool sizes = false;                    // the axis shows numbers without their sign
  std::string numbers_title = {};
};

// UsageError by --height where the rows do not fit into it.
Picture row_chart(const RowChart& chart, const Style& style, std::string caption);

}  // namespace refocus::figure
