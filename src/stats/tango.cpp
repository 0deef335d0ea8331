#include "stats/tango.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

#include "base/error.h"

namespace refocus {
namespace {

// q(d), the larger root, by the form of its solution that loses no digits.
double likeliest_broken(double b, double c, double n, double d) {
  const double linear = (2 * n - b + c) * d - b - c;
  const double constant = -c * d * (1 - d);
  const double root = std::sqrt(std::max(0.0, linear * linear - 8 * n * constant));
  if (linear <= 0) return (root - linear) / (4 * n);
  return -2 * constant / (root + linear);
}

// The upper end. T falls from 0 at the estimate to -infinity at 1, so that halving finds where it passes -z.
// The test is written without a division, since numerator and variance may both be 0 at the estimate.
double upper_end(double b, double c, double n, double z) {
  const auto rejected = [&](double d) {
    const double variance = std::max(0.0, 2 * likeliest_broken(b, c, n, d) + d * (1 - d));
    return n * d - (b - c) > z * std::sqrt(n * variance);
  };
  double low = (b - c) / n, high = 1;
  for (;;) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return low;
    (rejected(middle) ? high : low) = middle;
  }
}

}  // namespace

Interval tango_interval(std::int64_t fixed, std::int64_t broken, std::int64_t pairs, double confidence) {
  REFOCUS_CHECK(pairs >= 1 && fixed >= 0 && broken >= 0 && fixed <= pairs - broken);
  const double z = boost::math::quantile(boost::math::normal(), (1 + confidence) / 2);
  const auto b = static_cast<double>(fixed), c = static_cast<double>(broken), n = static_cast<double>(pairs);
  return {-upper_end(c, b, n, z), upper_end(b, c, n, z)};
}

}  // namespace refocus
