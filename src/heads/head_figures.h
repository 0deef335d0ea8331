// Pictures of a search for heads.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/json_node.h"
#include "figure/style.h"
#include "heads/head_search.h"

namespace refocus {

// A number of each head.
struct HeadValues {
  std::int64_t layers = 0, heads = 0;
  std::vector<double> values;  // [layers, heads]; NaN: grey
  bool with_sign = true;       // from blue (below 0) to red; otherwise from white to dark blue, from 0 on
};

// Layers from bottom to top, heads from left to right; the heads of `framed` are framed. `what`: the number.
figure::Picture head_map_figure(const std::string& what, const HeadValues& values, const HeadSet& framed,
                                const figure::Style& style, std::string caption);

// What a search's results.json says of single heads: the mean change of the right option's log-probability on
// the selection half, or of patching what is recovered in per cent. InputError on JSON of another shape.
struct HeadEffects {
  HeadValues values;
  std::string what;        // in words
  std::int64_t items = 0;  // that it is a mean over
  std::int64_t tried = 0;  // heads
};
HeadEffects head_effects(const JsonNode<nlohmann::ordered_json>& results);

// The same number of heads as a picture of a search's directory: the tested set with the largest effect there
// is framed. Heads that were not tried are grey.
std::string head_heatmap(const HeadSearch& search, const HeadSearchSettings& settings);

std::string head_value_map(const std::string& title, const HeadValues& values, const HeadSet& framed);

// Accuracy, or of patching what is recovered, on the other half by the number of heads: the selected sets
// with intervals, the range and mean of random sets, none, and all.
std::string held_out_figure(const HeadSearch& search);

}  // namespace refocus
