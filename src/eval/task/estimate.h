// A mean with its standard error, and quantiles, of observed numbers.
#pragma once

#include <optional>
#include <span>

namespace refocus {

struct Estimate {
  double value = 0;
  std::optional<double> standard_error;  // absent for fewer than two observations
};

// The mean of `values` (at least one), and the sample standard deviation (n - 1) over sqrt(n): the error as
// if the values were independent. Summed in double, in the order given.
Estimate mean_of(std::span<const double> values);

// exp(x), its error by the delta method: exp(x) times the error of x.
Estimate exp_of(const Estimate& x);

// The value below which a fraction `q` in [0, 1] of `sorted` (ascending, at least one) lies; between two
// values it is interpolated, as numpy.quantile does unless told otherwise.
double quantile_of_sorted(std::span<const double> sorted, double q);

}  // namespace refocus
