#include "stats/sign_flip.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <vector>

namespace refocus {

std::optional<double> sign_flip_exact_p(std::span<const std::int64_t> differences) {
  constexpr double kMostSteps = 4e9;
  std::vector<std::int64_t> sizes;
  std::int64_t sum = 0, divisor = 0;
  for (const std::int64_t d : differences) {
    if (d == 0) continue;  // either sign is the same
    sizes.push_back(std::abs(d));
    sum += d;
    divisor = std::gcd(divisor, d);
  }
  if (sizes.empty()) return 1;
  for (std::int64_t& size : sizes) size /= divisor;
  const std::int64_t total = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  if (static_cast<double>(total) * static_cast<double>(sizes.size()) > kMostSteps) return std::nullopt;
  // share[s]: of the signs so far, those with which the sizes that have a plus sum to s. The sum of all is
  // then 2 s - total.
  std::vector<double> share(static_cast<std::size_t>(total) + 1, 0.0);
  share[0] = 1;
  std::int64_t reached = 0;
  for (const std::int64_t size : sizes) {
    reached += size;
    for (std::int64_t s = reached; s >= 0; --s) {
      const auto at = static_cast<std::size_t>(s);
      share[at] = 0.5 * ((s <= reached - size ? share[at] : 0) +
                         (s >= size ? share[static_cast<std::size_t>(s - size)] : 0));
    }
  }
  const std::int64_t observed = std::abs(sum / divisor);
  double p = 0;
  for (std::int64_t s = 0; s <= total; ++s) {
    if (std::abs(2 * s - total) >= observed) p += share[static_cast<std::size_t>(s)];
  }
  return std::min(1.0, p);
}

std::optional<double> sign_flip_rounded_p(std::span<const double> differences) {
  constexpr double kSteps = 1e8, kFinest = 1000, kCoarsest = 10;
  double total = 0;
  for (const double d : differences) total += std::abs(d);
  if (total == 0) return 1;
  // With so many units in a mean difference, the exact test takes n times n times that.
  const auto n = static_cast<double>(differences.size());
  const double units = std::min(kFinest, kSteps / (n * n));
  if (units < kCoarsest) return std::nullopt;
  std::vector<std::int64_t> rounded;
  for (const double d : differences) rounded.push_back(std::llround(d / total * n * units));
  return sign_flip_exact_p(rounded);
}

}  // namespace refocus
