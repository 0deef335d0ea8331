#include "stats/wilson.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

#include "base/error.h"

namespace refocus {

Interval wilson_interval(std::int64_t successes, std::int64_t trials, double confidence) {
  REFOCUS_CHECK(trials >= 1 && successes >= 0 && successes <= trials);
  const auto n = static_cast<double>(trials);
  const double p = static_cast<double>(successes) / n;
  const double z = boost::math::quantile(boost::math::normal(), (1 + confidence) / 2);
  const double shrink = 1 + z * z / n;
  const double centre = (p + z * z / (2 * n)) / shrink;
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / shrink;
  // At p = 0 and 1 an end is 0 or 1 exactly; rounding must not carry it past.
  return {successes == 0 ? 0 : std::max(0.0, centre - half),
          successes == trials ? 1 : std::min(1.0, centre + half)};
}

}  // namespace refocus
