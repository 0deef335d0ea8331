// The test of a paired change: Q. McNemar, "Note on the sampling error of the difference between correlated
// proportions or percentages", Psychometrika 12 (1947), 153-157; here in its exact form.
#pragma once

#include <cstdint>

namespace refocus {

// Two-sided p of `fixed` items that became right and `broken` that became wrong, under the hypothesis that an
// item whose correctness changed did so either way with probability 1/2:
//   p = min(1, 2 P(X <= min(fixed, broken))), X ~ Binomial(fixed + broken, 1/2)
// 1 where nothing changed. Items that stayed right or wrong do not enter. Both counts >= 0.
double mcnemar_exact_p(std::int64_t fixed, std::int64_t broken);

}  // namespace refocus
