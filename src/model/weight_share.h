// What of a model's weights one process has: all, or the share of a rank of several (model/partition.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace refocus {

// [first, first + count).
struct ShareRange {
  std::int64_t first = 0, count = 0;
};

struct WeightShare {
  // Layers [first_layer, end_layer); the embedding table is the first stage's. All have the last norm and the
  // output matrix.
  std::int64_t first_layer = 0, end_layer = std::numeric_limits<std::int64_t>::max();
  bool embeddings = true;
  // Of each matrix, the place-th of so many parts of its outputs.
  std::int64_t place = 0, places = 1;

  bool has_layer(std::int64_t layer) const { return layer >= first_layer && layer < end_layer; }

  // The part of `all` outputs, cut at multiples of `unit`, that the place-th of the places has. Empty where
  // there are fewer units than places.
  ShareRange part_of(std::int64_t all, std::int64_t unit, std::int64_t of_place) const {
    const std::int64_t units = (all + unit - 1) / unit;
    const std::int64_t first = std::min(all, units * of_place / places * unit);
    return {first, std::min(all, units * (of_place + 1) / places * unit) - first};
  }
  ShareRange part_of(std::int64_t all, std::int64_t unit) const { return part_of(all, unit, place); }
};

}  // namespace refocus
