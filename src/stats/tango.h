// The score interval of a difference of paired proportions: T. Tango, "Equivalence test and confidence
// interval for the difference in proportions for the paired-sample design", Statistics in Medicine 17 (1998),
// 891-908. Recommended for pairs by R. G. Newcombe, "Improved confidence intervals for the difference between
// binomial proportions based on paired data", Statistics in Medicine 17 (1998), 2635-2650 (of its methods
// those that keep their coverage), and by Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014),
// 2850-2875.
#pragma once

#include <cstdint>

#include "stats/interval.h"

namespace refocus {

// Of n pairs, `fixed` (b) went from wrong to right and `broken` (c) from right to wrong; the estimate is (b -
// c) / n. The interval is all differences d that the score test does not reject at 1 - confidence, its ends
// the two roots of
//   T(d)^2 = z^2,  T(d) = (b - c - n d) / sqrt(n (2 q(d) + d (1 - d)))
// with z the normal quantile at (1 + confidence) / 2 and q(d) the probability of a broken pair that is
// likeliest where the difference is d, the larger root of
//   2n q^2 + ((2n - b + c) d - b - c) q - c d (1 - d) = 0
// It contains the estimate, lies within [-1, 1], is mirrored where b and c change places, and excludes 0 just
// where McNemar's score test |b - c| / sqrt(b + c) exceeds z. With b = c = 0 it is ± z^2 / (n + z^2), and so
// of some width even where nothing changed. fixed, broken >= 0, fixed + broken <= pairs, pairs >= 1, 0 <
// confidence < 1.
Interval tango_interval(std::int64_t fixed, std::int64_t broken, std::int64_t pairs,
                        double confidence = kConfidence);

}  // namespace refocus
