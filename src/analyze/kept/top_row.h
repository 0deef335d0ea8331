// What is kept of a row of attention weights: its largest ones and the sum of the others, as the files of
// docs/attention.md have them.
#pragma once

#include <cstdint>

namespace refocus {

struct TopRow {
  std::int32_t* keys = nullptr;      // [k]: by falling size of their weights, then rising key; -1 where the
                                     // row has fewer
  float* weights = nullptr;          // [k]: 0 where there is no key
  std::uint64_t* scratch = nullptr;  // [largest_scratch(k)] (kernels/weight_row.h)
};

// Keeps the k largest of a padded row of `count` weights. Returns the sum of the others, which is at least 0
// unless the row has weights below 0.
float keep_largest(const float* row, std::int64_t count, std::int64_t k, bool negative, const TopRow& out);

}  // namespace refocus
