// Correction for several tests: S. Holm, "A simple sequentially rejective multiple test procedure",
// Scandinavian Journal of Statistics 6 (1979), 65-70.
#pragma once

#include <span>
#include <vector>

namespace refocus {

// Adjusted p-values, in the order given. With the m values sorted, p(1) <= ... <= p(m), the k-th becomes
//   max over j <= k of min(1, (m - j + 1) p(j))
// Rejecting where this is at most a keeps the chance of any false rejection in the family at most a, however
// the tests depend on each other.
std::vector<double> holm_adjusted(std::span<const double> p);

}  // namespace refocus
