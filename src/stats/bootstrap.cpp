#include "stats/bootstrap.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace refocus {
namespace {

// Word `number` of the SplitMix64 sequence that begins with `seed`.
std::uint64_t split_mix_word(std::uint64_t seed, std::uint64_t number) {
  std::uint64_t z = seed + (number + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

std::vector<double> bootstrap_sums(std::span<const double> differences, std::int64_t resamples,
                                   std::uint64_t seed) {
  const std::uint64_t n = differences.size();
  REFOCUS_CHECK(n >= 1 && n <= std::numeric_limits<std::uint32_t>::max() && resamples >= 1);
  const double* items = differences.data();
  std::vector<double> sums(static_cast<std::size_t>(resamples));
  std::uint64_t number = 0;
  for (double& sum : sums) {
    double total = 0;
    for (std::uint64_t i = 0; i + 1 < n; i += 2) {
      const std::uint64_t word = split_mix_word(seed, number++);
      total += items[(word & 0xFFFFFFFFu) * n >> 32];
      total += items[(word >> 32) * n >> 32];
    }
    if (n % 2 == 1) total += items[(split_mix_word(seed, number++) & 0xFFFFFFFFu) * n >> 32];
    sum = total;
  }
  return sums;
}

double sorted_quantile(std::span<const double> sorted, double q) {
  REFOCUS_CHECK(!sorted.empty() && q >= 0 && q <= 1);
  const double h = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(h);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (h - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

std::optional<Interval> paired_bootstrap_interval(std::span<const double> differences, std::int64_t resamples,
                                                  std::uint64_t seed, double confidence) {
  REFOCUS_CHECK(!differences.empty());
  const auto other = [&](double d) { return d != differences.front(); };
  if (std::none_of(differences.begin(), differences.end(), other)) return std::nullopt;
  std::vector<double> sums = bootstrap_sums(differences, resamples, seed);
  std::sort(sums.begin(), sums.end());
  const auto n = static_cast<double>(differences.size());
  return Interval{sorted_quantile(sums, (1 - confidence) / 2) / n,
                  sorted_quantile(sums, (1 + confidence) / 2) / n};
}

}  // namespace refocus
