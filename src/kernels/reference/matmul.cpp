// The plain twin of simd/matmul.cpp: one dot product after the other, in double. Any weight type.
#include "kernels/matmul.h"

#include <vector>

#include "tensor/block_formats.h"

namespace refocus::reference {

void matmul(const MatMulInput& input, const MatMulJob& job) {
  std::vector<float> weights(static_cast<std::size_t>(input.inputs));
  const std::size_t row_bytes = bytes_of(job.dtype, input.inputs);
  for (std::int64_t n = 0; n < job.outputs; ++n) {
    dequantize_row(job.dtype, job.weights + static_cast<std::size_t>(n) * row_bytes, weights.data(),
                   input.inputs);
    for (std::int64_t row = 0; row < input.rows; ++row) {
      const float* x = input.x + row * padded(input.inputs);
      float& y = job.y[row * job.y_stride + n];
      double sum = (job.bias != nullptr ? job.bias[n] : 0.0) + (job.accumulate ? y : 0.0);
      for (std::int64_t k = 0; k < input.inputs; ++k) {
        sum += static_cast<double>(x[k]) * weights[static_cast<std::size_t>(k)];
      }
      y = static_cast<float>(sum);
    }
  }
}

}  // namespace refocus::reference
