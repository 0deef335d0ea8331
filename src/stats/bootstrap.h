// The interval of a mean paired difference of numbers that are no proportions (of those: stats/tango.h) by
// resampling: the percentile bootstrap (B. Efron, "Bootstrap
// methods: another look at the jackknife", Annals of Statistics 7 (1979), 1-26; Efron and Tibshirani, "An
// Introduction to the Bootstrap", 1993, chapter 13).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "stats/interval.h"

namespace refocus {

// Sums of differences over resamples. A resample is n items drawn with replacement from the n given; both
// arms of an item go together, since what is drawn is their difference. Each sum is added up in the order of
// its draws.
//
// The draws are whole numbers and the same on every platform. SplitMix64 (Steele, Lea, Flood, "Fast
// splittable pseudorandom number generators", OOPSLA 2014) begun with `seed` gives 64-bit words; resample b
// takes the ceil(n / 2) words from number b ceil(n / 2) on. Each word is two draws, its low 32 bits first: a
// 32-bit x draws item floor(x n / 2^32), which hits each item with probability 1/n up to 2^-32. For an odd n
// the high half of a resample's last word is left over. 1 <= n < 2^32.
std::vector<double> bootstrap_sums(std::span<const double> differences, std::int64_t resamples,
                                   std::uint64_t seed);

// The quantile at `q` of values sorted in ascending order, linear between neighbours: with h = q (size - 1),
// v[floor h] + (h - floor h)(v[floor h + 1] - v[floor h]) (type 7 of Hyndman and Fan 1996, NumPy's default).
double sorted_quantile(std::span<const double> sorted, double q);

// The quantiles of the resamples' mean differences at (1 - confidence) / 2 and (1 + confidence) / 2. Nothing
// where all differences are equal: every resample is the same then, and says nothing about how far chance may
// reach.
std::optional<Interval> paired_bootstrap_interval(std::span<const double> differences, std::int64_t resamples,
                                                  std::uint64_t seed, double confidence = kConfidence);

}  // namespace refocus
