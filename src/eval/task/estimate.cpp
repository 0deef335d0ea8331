#include "eval/task/estimate.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/error.h"

namespace refocus {

Estimate mean_of(std::span<const double> values) {
  REFOCUS_CHECK(!values.empty());
  const auto n = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  Estimate out{sum / n, std::nullopt};
  if (values.size() < 2) return out;
  double squares = 0;
  for (const double value : values) squares += (value - out.value) * (value - out.value);
  out.standard_error = std::sqrt(squares / (n - 1) / n);
  return out;
}

Estimate exp_of(const Estimate& x) {
  Estimate out{std::exp(x.value), std::nullopt};
  if (x.standard_error) out.standard_error = out.value * *x.standard_error;
  return out;
}

double quantile_of_sorted(std::span<const double> sorted, double q) {
  REFOCUS_CHECK(!sorted.empty() && q >= 0 && q <= 1);
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace refocus
