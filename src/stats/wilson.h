// The score interval of a proportion: E. B. Wilson, "Probable inference, the law of succession, and
// statistical inference", Journal of the American Statistical Association 22 (1927), 209-212.
#pragma once

#include <cstdint>

#include "stats/interval.h"

namespace refocus {

// With p = successes / trials, n = trials and z the normal quantile at (1 + confidence) / 2:
//   (p + z^2 / 2n ± z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
// No continuity correction; always within [0, 1], and of some width even where p is 0 or 1.
// 0 <= successes <= trials, trials >= 1, 0 < confidence < 1.
Interval wilson_interval(std::int64_t successes, std::int64_t trials, double confidence = kConfidence);

}  // namespace refocus
