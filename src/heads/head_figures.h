// Pictures of a search for heads, as SVG.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "heads/head_search.h"

namespace refocus {

// Layers from bottom to top, heads from left to right; the colour is the mean change of the right option's
// log-probability on the selection half, or of patching what is recovered; the tested set with the largest
// effect there is framed. Heads that were not tried are grey.
std::string head_heatmap(const HeadSearch& search, const HeadSearchSettings& settings);

// A number of each head, in the same picture: the heads of `framed` are framed.
struct HeadValues {
  std::int64_t layers = 0, heads = 0;
  std::vector<double> values;  // [layers, heads]; NaN: grey
  bool with_sign = true;       // from blue (below 0) to red; otherwise from white, for values from 0 on
};
std::string head_value_map(const std::string& title, const HeadValues& values, const HeadSet& framed);

// Accuracy, or of patching what is recovered, on the other half by the number of heads: the selected sets
// with intervals, the range and mean of random sets, none, and all.
std::string held_out_figure(const HeadSearch& search);

}  // namespace refocus
