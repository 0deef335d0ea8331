// A legend whose entries cannot overprint: in columns where these have room, and labels in several lines
// where one has none.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "figure/palette.h"
#include "figure/style.h"

namespace refocus::figure {

struct LegendEntry {
  std::string label;
  // Draws the sample, kSampleWidth wide, from x on and around the height y.
  std::function<std::string(double x, double y)> sample;
};

inline constexpr double kSampleWidth = 20;  // points

LegendEntry line_entry(std::string label, const SeriesStyle& style);  // a line with its mark
LegendEntry mark_entry(std::string label, const SeriesStyle& style);  // a mark alone
LegendEntry area_entry(std::string label, const std::string& color);
LegendEntry reference_entry(std::string label, std::size_t which = 0);  // reference_line

class Legend {
 public:
  // `width`: what it may take, in points.
  Legend(std::vector<LegendEntry> entries, double width, const Font& font);

  double height() const { return height_; }  // 0 without entries
  std::string draw(double left, double top) const;

 private:
  struct Placed {
    double x = 0, y = 0;  // of the first line's baseline
    std::vector<std::string> lines;
  };
  std::vector<LegendEntry> entries_;
  std::vector<Placed> places_;
  double height_ = 0;
  Font font_;
};

}  // namespace refocus::figure
