#include "stats/mean_difference.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace refocus {

namespace {

struct Moments {
  double mean = 0, variance_of_mean = 0;
};

// Two passes: differences of a mean's size would lose digits in one.
Moments moments(std::span<const double> values) {
  REFOCUS_CHECK(values.size() >= 2);
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  const double mean = sum / n;
  REFOCUS_CHECK(std::isfinite(mean));  // else NaN would be taken for no variance, and p for 0
  for (const double v : values) squares += (v - mean) * (v - mean);
  return {mean, squares / (n - 1) / n};
}

MeanDifference by_t(double difference, double variance, double degrees) {
  const boost::math::students_t distribution(degrees);
  const double error = std::sqrt(variance);
  const double reach = quantile(distribution, (1 + kConfidence) / 2) * error;
  const double p = 2 * cdf(complement(distribution, std::abs(difference) / error));
  return {difference, Interval{difference - reach, difference + reach}, p};
}

// Of samples that do not vary; `p`: of the exact test, where the difference is not 0.
MeanDifference without_spread(double difference, double p) {
  return {difference, std::nullopt, difference == 0 ? 1.0 : p};
}

// Asked of the values, since their mean, and so their variance, may be off by a rounding.
bool all_equal(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values.front(); });
}

// The share of the divisions of n + m values, n alike and m alike, that leave each kind on one side.
double share_of_divisions(double n, double m) {
  const double ways = std::exp(std::lgamma(n + m + 1) - std::lgamma(n + 1) - std::lgamma(m + 1));
  return (n == m ? 2 : 1) / ways;
}

}  // namespace

MeanDifference paired_difference(std::span<const double> first, std::span<const double> second) {
  REFOCUS_CHECK(first.size() == second.size());
  std::vector<double> differences(first.size());
  for (std::size_t i = 0; i < first.size(); ++i) differences[i] = second[i] - first[i];
  const Moments m = moments(differences);
  const auto n = static_cast<double>(first.size());
  if (all_equal(differences) || !(m.variance_of_mean > 0)) {
    return without_spread(differences.front(), std::exp2(1 - n));
  }
  return by_t(m.mean, m.variance_of_mean, n - 1);
}

MeanDifference welch_difference(std::span<const double> first, std::span<const double> second) {
  const Moments a = moments(first), b = moments(second);
  const double variance = a.variance_of_mean + b.variance_of_mean;
  if ((all_equal(first) && all_equal(second)) || !(variance > 0)) {
    const double p =
        share_of_divisions(static_cast<double>(first.size()), static_cast<double>(second.size()));
    return without_spread(second.front() - first.front(), p);
  }
  const double degrees = variance * variance /
                         (a.variance_of_mean * a.variance_of_mean / (static_cast<double>(first.size()) - 1) +
                          b.variance_of_mean * b.variance_of_mean / (static_cast<double>(second.size()) - 1));
  return by_t(b.mean - a.mean, variance, degrees);
}

}  // namespace refocus
