#include "stats/spearman.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"

namespace refocus {

namespace {

// Twice each value's rank from 1, which is whole even where values are equal, minus that of the middle.
std::vector<double> centred_ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> out(values.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const auto both = static_cast<double>(begin + 1 + end);  // first rank plus last
    for (std::size_t i = begin; i < end; ++i) out[order[i]] = both - static_cast<double>(values.size() + 1);
  }
  return out;
}

}  // namespace

std::optional<RankCorrelation> spearman(std::span<const double> first, std::span<const double> second) {
  REFOCUS_CHECK(first.size() == second.size());
  const auto number = [](double value) { return !std::isnan(value); };
  REFOCUS_CHECK(std::ranges::all_of(first, number) && std::ranges::all_of(second, number));
  if (first.size() < 3) return std::nullopt;
  const std::vector<double> a = centred_ranks(first), b = centred_ranks(second);
  const double both = std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  const double squares = std::inner_product(a.begin(), a.end(), a.begin(), 0.0) *
                         std::inner_product(b.begin(), b.end(), b.begin(), 0.0);
  if (squares == 0) return std::nullopt;
  RankCorrelation out;
  out.pairs = std::ssize(first);
  out.rho = std::clamp(both / std::sqrt(squares), -1.0, 1.0);
  if (std::abs(out.rho) == 1) {
    out.p = 0;
    return out;
  }
  const auto degrees = static_cast<double>(out.pairs - 2);
  const double t = std::abs(out.rho) * std::sqrt(degrees / (1 - out.rho * out.rho));
  out.p = 2 * cdf(complement(boost::math::students_t(degrees), t));
  return out;
}

}  // namespace refocus
