#include "stats/mcnemar.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>

#include "base/error.h"

namespace refocus {

double mcnemar_exact_p(std::int64_t fixed, std::int64_t broken) {
  REFOCUS_CHECK(fixed >= 0 && broken >= 0);
  if (fixed == broken) return 1;
  const boost::math::binomial changes(static_cast<double>(fixed + broken), 0.5);
  return std::min(1.0, 2 * boost::math::cdf(changes, static_cast<double>(std::min(fixed, broken))));
}

}  // namespace refocus
