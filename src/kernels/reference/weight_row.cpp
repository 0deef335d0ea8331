// The plain twins of simd/weight_row.cpp.
#include "kernels/weight_row.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace refocus::reference {

namespace {

double x_log_x(double x) { return x > 0 ? x * std::log(x) : 0; }

}  // namespace

RowSums sum_weights(const float* w, std::int64_t n, const std::int32_t* classes) {
  RowSums out;
  for (std::int64_t j = 0; j < n; ++j) {
    out.sum += w[j];
    out.w_log_w += x_log_x(w[j]);
    out.of_class[static_cast<std::size_t>(classes[j])] += w[j];
  }
  return out;
}

double sum_of_mixture(const float* w, float a, const float* v, float b, std::int64_t n) {
  double out = 0;
  for (std::int64_t j = 0; j < n; ++j) out += x_log_x((double{a} * w[j] + double{b} * v[j]) / 2);
  return out;
}

std::int64_t largest_weights(const float* w, std::int64_t n, std::int64_t k, std::int32_t* keys,
                             float* weights) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return std::abs(w[a]) > std::abs(w[b]); });
  const std::int64_t count = std::min(n, k);
  for (std::int64_t i = 0; i < count; ++i) {
    keys[i] = order[static_cast<std::size_t>(i)];
    weights[i] = w[keys[i]];
  }
  return count;
}

}  // namespace refocus::reference
