// The plain twin of simd/packed_matmul.cpp.
#include <vector>

#include "kernels/packed_matmul.h"
#include "tensor/block_formats.h"

namespace refocus::reference {

void block_matmul(const QuantizedRows& x, DType type, const std::byte* rows, const PackedJob& job) {
  const std::int64_t inputs = x.inputs, outputs = job.weights->outputs;
  std::vector<float> weights(static_cast<std::size_t>(inputs));
  for (std::int64_t n = 0; n < outputs; ++n) {
    dequantize_row(type, rows + static_cast<std::size_t>(n) * bytes_of(type, inputs), weights.data(), inputs);
    for (std::int64_t r = 0; r < x.rows; ++r) {
      float& y = job.y[r * job.y_stride + n];
      double sum = (job.bias != nullptr ? job.bias[n] : 0.0) + (job.accumulate ? y : 0.0);
      for (std::int64_t k = 0; k < inputs; ++k) {
        double value = 0;
        for (std::int64_t part = 0; part < static_cast<std::int64_t>(job.parts); ++part) {
          const QuantizedBlock& block = x.part_row(r * x.part_count() + part)[k / kQuantBlock];
          value += static_cast<double>(block.scale) * block.q[k % kQuantBlock];
        }
        sum += value * weights[static_cast<std::size_t>(k)];
      }
      y = static_cast<float>(sum);
    }
  }
}

}  // namespace refocus::reference
