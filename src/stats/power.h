// Power of McNemar's exact test (stats/mcnemar.h), before anything is asked: which difference could so many
// pairs show? It is the exact unconditional power: O. S. Miettinen, "The matched pairs design in the case of
// all-or-none responses", Biometrics 24 (1968), 339-352; S. W. Duffy, "Asymptotic and exact power for the
// McNemar test and its analogue with R controls per case", Biometrics 40 (1984), 1005-1015; R. J. Connor,
// "Sample size for testing differences in proportions for the paired-sample design", Biometrics 43 (1987),
// 207-211.
#pragma once

#include <cstdint>
#include <optional>

namespace refocus {

// The most pairs that are looked at.
inline constexpr std::int64_t kMostPairs = 10'000'000;

// How a test is to be used: significant where p <= level, and found with this probability. 0 < level < power
// < 1.
struct TestAim {
  double level = 0.05, power = 0.8;
};

// The probability that of `pairs` (n) independent pairs mcnemar_exact_p <= level, where a pair becomes right
// with probability (changed + difference) / 2, wrong with (changed - difference) / 2, and stays otherwise:
//   sum over m of P(M = m) P(mcnemar_exact_p(X, m - X) <= level)
//   M ~ Binomial(n, changed), X ~ Binomial(m, (1 + difference / changed) / 2)
// Both sides of the rejection region count. Where the test can reject at all it rises strictly with
// |difference|, and not always with n, where it is a saw. Within 1e-9 of the exact value: of M, less than
// 1e-12 is left out. 1 <= pairs <= kMostPairs, 0 < changed <= 1, |difference| <= changed, 0 < level < 1.
double mcnemar_power(std::int64_t pairs, double changed, double difference, double level);

// The smallest difference in (0, changed] that is found with aim.power, within 1e-12 and never below it; none
// where not even all changes in one direction are.
std::optional<double> smallest_difference(std::int64_t pairs, double changed, const TestAim& aim);

// The smallest number of pairs that finds the difference with aim.power: with every smaller number the power
// is below it. (A slightly larger number may fall short again where nearly all pairs change: M. R. Chernick
// and C. Y. Liu, "The saw-toothed behavior of power versus sample size and software solutions", The American
// Statistician 56 (2002), 149-155.) None where kMostPairs do not. 0 < difference <= changed.
std::optional<std::int64_t> pairs_needed(double changed, double difference, const TestAim& aim);

}  // namespace refocus
