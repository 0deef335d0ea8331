// What is measured of one row of attention weights; formulas in docs/attention.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "analyze/token_class.h"
#include "intervene/capture.h"
#include "kernels/weight_row.h"

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
  kRowStatistics,  // how many
};
using RowValues = std::array<double, kRowStatistics>;

// "entropy", "mass_first", ...
std::string_view row_statistic_name(std::size_t statistic);

// Layer 0's part in the comparisons with it.
struct Layer0Row {
  double sum = 1, entropy = 0;
};

struct RowSettings {
  std::int64_t window = 8;
  float threshold = 0.01f;
};

// `layer0` is written for a row of layer 0 and read for others.
RowValues measure_row(const CapturedRow& row, const RowSettings& settings, const KeyClasses& classes,
                      Layer0Row& layer0);

}  // namespace refocus
