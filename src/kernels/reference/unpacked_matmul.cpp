// The plain twin of simd/unpacked_matmul.cpp: the same order of float32 operations, one output at a time.
#include <cmath>
#include <vector>

#include "kernels/packed_matmul.h"

namespace refocus::reference {

void unpacked_matmul(const MatMulInput& x, DType type, const std::byte* rows, const PackedJob& job) {
  std::vector<float> weights(static_cast<std::size_t>(x.inputs));
  for (std::int64_t n = 0; n < job.weights->outputs; ++n) {
    dequantize_row(type, rows + static_cast<std::size_t>(n) * bytes_of(type, x.inputs), weights.data(),
                   x.inputs);
    for (std::int64_t r = 0; r < x.rows; ++r) {
      const float* row = x.x + r * padded(x.inputs);
      float sum = 0;
      for (std::int64_t first = 0; first < x.inputs; first += kQuantBlock) {
        float block = 0;
        for (std::int64_t k = first; k < first + kQuantBlock; ++k) {
          block = std::fma(row[k], weights[static_cast<std::size_t>(k)], block);
        }
        sum += block;
      }
      float& y = job.y[r * job.y_stride + n];
      const float base = job.accumulate ? y : 0.0f;
      y = (job.bias != nullptr ? base + job.bias[n] : base) + sum;
    }
  }
}

}  // namespace refocus::reference
