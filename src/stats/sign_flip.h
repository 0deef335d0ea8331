// The exact test of paired differences by exchanging signs: R. A. Fisher, "The Design of Experiments", 1935,
// section 21. Of proportions it is McNemar's exact test (stats/mcnemar.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace refocus {

// Two-sided p of whole-numbered differences d under the hypothesis that each could as well have had the other
// sign:  P(|sum of ± d| >= |sum of d|), over all 2^n signs alike. 1 where all are 0. In time and memory of
// n times the sum of |d|; nothing where that is beyond 4e9.
std::optional<double> sign_flip_exact_p(std::span<const std::int64_t> differences);

// The same of any numbers, n of them: exact of what they are after they were rounded to 1 / u of their mean
// size, u = min(1000, 1e8 / n^2). Nothing where u would be below 10, of more than 3162 numbers.
std::optional<double> sign_flip_rounded_p(std::span<const double> differences);

}  // namespace refocus
