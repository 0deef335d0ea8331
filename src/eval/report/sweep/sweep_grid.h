// Two swept keys with numbers as a heat map: the difference to no intervention of every pair of their values.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json_node.h"
#include "figure/style.h"

namespace refocus {

using SweepNode = JsonNode<nlohmann::ordered_json>;  // of a sweep.json

// The method of an axis, a curve or a selection; empty where re-balancing alone is swept.
std::string sweep_method(const SweepNode& node);

// The points of one task, kind of prompt and method that differ in the two keys alone.
struct SweepGrid {
  struct Cell {
    std::optional<double> accuracy, difference;  // fractions of 1; the second to the arm without intervention
  };
  std::string task, prompt;
  std::string method;                      // empty where re-balancing alone is swept
  std::string x_key, y_key;                // the axis of the curves, and the next key with numbers
  std::string rest;                        // the other parameters: "depth=3, mode=mask"
  std::vector<double> xs, ys;              // values that were tried, ascending
  std::vector<std::optional<Cell>> cells;  // [ys][xs]; nothing where a pair was not tried
  std::optional<std::size_t> best;         // the method's choice of one half, where it is in this grid
  std::optional<double> baseline;          // the accuracy without intervention
};

// Of a sweep.json. Empty where no method has two keys with several numbers each. InputError on JSON of
// another shape.
std::vector<SweepGrid> sweep_grids(const SweepNode& sweep);

// One picture of all, one below the other; cells of equal size however the values are spaced. Colours go from
// blue (worse than no intervention) over white to red (better), which also those see who lack a kind of
// cones, and each cell says its number where it has room; the held-out choice has a frame. `titles`: a single
// map says what it is of too. No svg for none.
figure::Picture sweep_grid_figure(const std::vector<SweepGrid>& grids, const figure::Style& style,
                                  bool titles = false);

// sweep-grid.svg of a run directory.
std::string sweep_grid_svg(const std::vector<SweepGrid>& grids);

}  // namespace refocus
