#include "analyze/jacobi_svd.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace refocus {

namespace {

double dot(const double* a, const double* b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// Turns two columns so that they are orthogonal. False where they were.
bool rotate(double* a, double* b, std::size_t n) {
  const double aa = dot(a, a, n), bb = dot(b, b, n), ab = dot(a, b, n);
  if (std::abs(ab) <= 1e-15 * std::sqrt(aa) * std::sqrt(bb)) return false;
  const double zeta = (bb - aa) / (2 * ab);
  const double t = std::copysign(1.0, zeta) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
  const double c = 1 / std::sqrt(1 + t * t), s = c * t;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = a[i];
    a[i] = c * x - s * b[i];
    b[i] = s * x + c * b[i];
  }
  return true;
}

}  // namespace

// The columns of A V are orthogonal at the end; their lengths are the singular values.
LeftSingular left_singular(std::span<const double> matrix, std::int64_t n) {
  constexpr int kMostSweeps = 60;  // some ten are usual
  const auto size = static_cast<std::size_t>(n);
  REFOCUS_CHECK(matrix.size() == size * size);
  std::vector<double> columns(size * size);  // one after the other
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) columns[j * size + i] = matrix[i * size + j];
  }
  bool turned = true;
  for (int sweep = 0; turned && sweep < kMostSweeps; ++sweep) {
    turned = false;
    for (std::size_t p = 0; p + 1 < size; ++p) {
      for (std::size_t q = p + 1; q < size; ++q) {
        turned = rotate(columns.data() + p * size, columns.data() + q * size, size) || turned;
      }
    }
  }
  std::vector<double> lengths(size);
  for (std::size_t k = 0; k < size; ++k) {
    const double* column = columns.data() + k * size;
    lengths[k] = std::sqrt(dot(column, column, size));
  }
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::ranges::greater(), [&](std::size_t k) { return lengths[k]; });
  LeftSingular out{std::vector<double>(size), std::vector<double>(size * size)};
  for (std::size_t k = 0; k < size; ++k) {
    const std::size_t from = order[k];
    out.values[k] = lengths[from];
    if (lengths[from] == 0) continue;
    for (std::size_t i = 0; i < size; ++i) {
      out.vectors[i * size + k] = columns[from * size + i] / lengths[from];
    }
  }
  return out;
}

}  // namespace refocus
