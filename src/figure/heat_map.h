// A heat map: rows and columns of cells coloured by a number, with a bar that says which colour is which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "figure/style.h"

namespace refocus::figure {

struct HeatScale {
  double most = 1;    // the number of the darkest colour; of a scale with signs also its negative. Above 0
  bool signs = true;  // from blue (below 0) over white to red; otherwise from white to dark blue
  bool root = true;   // the colour is of the square root of the share, so that small numbers are seen
  std::string title = {};  // of the bar
};

struct HeatMap {
  std::string title = {};  // above it, in bold
  std::size_t rows = 0, columns = 0;
  bool upward = false;              // the first row is the lowest
  std::vector<double> values = {};  // [rows, columns]; NaN: grey, or with blank_missing white and no cell
  bool blank_missing = false;
  std::vector<std::string> row_labels = {},
                           column_labels = {};  // one each, or none; those without room are left out
  std::string row_title = {}, column_title = {};
  bool turned_columns = false;  // their labels are written upwards
  HeatScale scale = {};
  std::vector<std::pair<std::size_t, std::size_t>> framed = {};  // row, column
  std::vector<std::string> texts = {};  // [rows, columns], in the cells where there is room; or none
  double cell_height = 0;               // points, where cells need not be square; 0: square
  double most_cell = 16;                // points, how wide a cell is at most
};

// Layers from bottom to top, heads from left to right, by their numbers; `values` are [layers, heads].
HeatMap layers_and_heads(const std::vector<std::int64_t>& layers, const std::vector<std::int64_t>& heads,
                         std::vector<double> values, std::string what);

// Maps below each other. UsageError by --height where they do not fit into it.
Picture heat_maps(const std::vector<HeatMap>& maps, const Style& style, std::string caption);

}  // namespace refocus::figure
