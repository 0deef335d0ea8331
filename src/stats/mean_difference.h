// The difference of two means: Student's t for pairs, and for two independent samples B. L. Welch, "The
// generalization of 'Student's' problem when several different population variances are involved",
// Biometrika 34 (1947), 28-35.
#pragma once

#include <span>

#include "stats/interval.h"

namespace refocus {

struct MeanDifference {
  double difference = 0;  // mean of `second` minus mean of `first`
  Interval interval;      // difference ± t(0.975, degrees) * its standard error
  double p = 1;           // two-sided, of no difference
};

// With d = second - first, n pairs:  t = mean(d) / (sd(d) / sqrt(n)),  n - 1 degrees of freedom.
// Where all d are equal the interval is that one value, and p is 0, or 1 where the value is 0. n >= 2. All
// values are numbers: those that are missing must have been left out.
MeanDifference paired_difference(std::span<const double> first, std::span<const double> second);

// With s^2 the samples' variances over their sizes:  t = (mean2 - mean1) / sqrt(s1^2 + s2^2),
//   (s1^2 + s2^2)^2 / (s1^4 / (n1 - 1) + s2^4 / (n2 - 1)) degrees of freedom.
// Where neither sample varies as for pairs. Both sizes >= 2.
MeanDifference welch_difference(std::span<const double> first, std::span<const double> second);

}  // namespace refocus
