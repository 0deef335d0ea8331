// The plain twin of simd/bf16_matmul.cpp: operands rounded one by one, sums in double.
#include "kernels/bf16_matmul.h"

#include <vector>

#include "tensor/block_formats.h"
#include "tensor/half.h"

namespace refocus::reference {

void bf16_matmul(const MatMulInput& x, DType type, const std::byte* weights, const Bf16Job& job) {
  const auto rounded = [](float value) { return static_cast<double>(bf16_to_f32(f32_to_bf16(value))); };
  const std::size_t row_bytes = bytes_of(type, x.inputs);
  std::vector<float> row(static_cast<std::size_t>(x.inputs));
  for (std::int64_t n = 0; n < job.outputs(); ++n) {
    dequantize_row(type, weights + static_cast<std::size_t>(n) * row_bytes, row.data(), x.inputs);
    for (std::int64_t r = 0; r < x.rows; ++r) {
      const float* from = x.x + r * padded(x.inputs);
      float& y = job.product.y[r * job.product.y_stride + n];
      double sum =
          (job.product.bias != nullptr ? job.product.bias[n] : 0.0) + (job.product.accumulate ? y : 0.0);
      for (std::int64_t k = 0; k < x.inputs; ++k) {
        sum += rounded(from[k]) * rounded(row[static_cast<std::size_t>(k)]);
      }
      y = static_cast<float>(sum);
    }
  }
}

}  // namespace refocus::reference
