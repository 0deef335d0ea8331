// What is measured of one row of attention weights; formulas in docs/attention.md.
//
// Shares, entropy and the comparisons with layer 0 are of p = |a| / sum |a|, which is a distribution whatever
// the signs of the weights a are. A row of zeros has none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "intervene/capture.h"
#include "kernels/weight_row.h"
#include "prompt/token_class.h"

namespace refocus {

enum RowStatistic : std::size_t {
  kEntropy,
  kMassFirst,
  kMassSelf,
  kMassPrevious,
  kMassWindow,
  kMassOfClass,  // and the classes after it, in their order
  kMassNonSemantic = kMassOfClass + kTokenClasses,
  kJaccardLayer0,
  kDivergenceLayer0,
  kMaskSize,
  kMassMaskBefore,
  kMassMaskAfter,
  kRowSum,
  kMassNegative,
  kRowStatistics,  // how many
};
using RowValues = std::array<double, kRowStatistics>;

// Whether it is of p: NaN for a row of zeros.
constexpr bool is_of_shares(std::size_t statistic) {
  return statistic <= kDivergenceLayer0 || statistic == kMassNegative;
}

// "entropy", "mass_first", ...
std::string_view row_statistic_name(std::size_t statistic);
bool is_row_statistic(std::string_view name);

// Layer 0's part in the comparisons with it.
struct Layer0Row {
  double sum = 1, entropy = 0;  // of its sizes
};

// A row with negative weights taken apart: kernels/weight_row.h, split_signs. Padded.
struct SignedRow {
  std::vector<float> above, below, size;
  void split(const float* w, std::int64_t n);
};

struct RowSettings {
  std::int64_t window = 8;
  float threshold = 0.01f;
  double largest_factor = 1;  // the most that an intervention multiplies weights by, in size
};

// `layer0` is written for a row of layer 0 and read for others. `parts` is of row.after, read where
// row.negative.
RowValues measure_row(const CapturedRow& row, const RowSettings& settings, const KeyClasses& classes,
                      const SignedRow& parts, Layer0Row& layer0);

}  // namespace refocus
