// Singular value decomposition of a small square matrix, by one-sided Jacobi rotations (Hestenes 1958; Golub
// and Van Loan, Matrix Computations, 4th edition, 8.6.3): slow and accurate, and no library is needed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace refocus {

struct LeftSingular {
  std::vector<double> values;  // [n], falling
  std::vector<double>
      vectors;  // [n, n]: column k, vectors[i * n + k], belongs to values[k]; 0 where that is 0
};

// `matrix`: [n, n], row by row, of finite numbers.
LeftSingular left_singular(std::span<const double> matrix, std::int64_t n);

}  // namespace refocus
