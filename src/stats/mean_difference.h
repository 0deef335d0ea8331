// The difference of two means: Student's t for pairs, and for two independent samples B. L. Welch, "The
// generalization of 'Student's' problem when several different population variances are involved",
// Biometrika 34 (1947), 28-35.
#pragma once

#include <optional>
#include <span>

#include "stats/interval.h"

namespace refocus {

struct MeanDifference {
  double difference = 0;             // mean of `second` minus mean of `first`
  std::optional<Interval> interval;  // difference ± t(0.975, degrees) * its standard error
  double p = 1;                      // two-sided, of no difference
};

// With d = second - first, n pairs:  t = mean(d) / (sd(d) / sqrt(n)),  n - 1 degrees of freedom.
// Where all d are equal there is no standard error, so no interval and no t. p is 1 then where d is 0, and
// otherwise that of the exact test by exchanging signs, 2^(1 - n) (R. A. Fisher, "The Design of Experiments",
// 1935, section 21). n >= 2. All values are numbers: those that are missing must have been left out.
MeanDifference paired_difference(std::span<const double> first, std::span<const double> second);

// With s^2 the samples' variances over their sizes:  t = (mean2 - mean1) / sqrt(s1^2 + s2^2),
//   (s1^2 + s2^2)^2 / (s1^4 / (n1 - 1) + s2^4 / (n2 - 1)) degrees of freedom.
// Where neither sample varies as for pairs, and p is that of the exact test by exchanging members: the share
// of the (n1 + n2 choose n1) ways to divide all values that set the means as far apart. Both sizes >= 2.
MeanDifference welch_difference(std::span<const double> first, std::span<const double> second);

}  // namespace refocus
