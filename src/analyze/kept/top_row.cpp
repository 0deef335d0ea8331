#include "analyze/kept/top_row.h"

#include <algorithm>
#include <numeric>

#include "kernels/weight_row.h"

namespace refocus {

float keep_largest(const float* row, std::int64_t count, std::int64_t k, bool negative, const TopRow& out) {
  const std::int64_t kept = largest_weights(row, count, k, out.scratch, out.keys, out.weights);
  std::fill(out.keys + kept, out.keys + k, -1);
  std::fill(out.weights + kept, out.weights + k, 0.0f);
  double rest = 0;
  if (count > k) rest = sum_of_weights(row, count) - std::accumulate(out.weights, out.weights + kept, 0.0);
  return static_cast<float>(negative ? rest : std::max(0.0, rest));
}

}  // namespace refocus
