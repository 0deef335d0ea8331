// Spearman's rank correlation: C. Spearman, "The proof and measurement of association between two things",
// American Journal of Psychology 15 (1904), 72-101.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace refocus {

struct RankCorrelation {
  double rho = 0;          // Pearson's correlation of the ranks; equal values share the mean of their ranks
  double p = 1;            // two-sided: rho sqrt((n - 2) / (1 - rho^2)) as Student's t of n - 2 degrees
  std::int64_t pairs = 0;  // n
};

// Nothing where there are fewer than 3 pairs, or where one side does not vary. All values are numbers.
std::optional<RankCorrelation> spearman(std::span<const double> first, std::span<const double> second);

}  // namespace refocus
