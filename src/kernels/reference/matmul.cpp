// The plain twin of simd/matmul.cpp: one dot product after the other, in double.
#include "kernels/matmul.h"

#include <cstring>

#include "tensor/half.h"

namespace refocus::reference {

namespace {

float weight_at(const MatMulJob& job, std::int64_t i) {
  const std::byte* at = job.weights + static_cast<std::size_t>(i) * size_of(job.dtype);
  if (job.dtype == DType::kF32) {
    float value;
    std::memcpy(&value, at, 4);
    return value;
  }
  std::uint16_t bits;
  std::memcpy(&bits, at, 2);
  return job.dtype == DType::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
}

}  // namespace

void matmul(const MatMulInput& input, const MatMulJob& job) {
  for (std::int64_t row = 0; row < input.rows; ++row) {
    const float* x = input.x + row * padded(input.inputs);
    for (std::int64_t n = 0; n < job.outputs; ++n) {
      float& y = job.y[row * job.y_stride + n];
      double sum = (job.bias != nullptr ? job.bias[n] : 0.0) + (job.accumulate ? y : 0.0);
      for (std::int64_t k = 0; k < input.inputs; ++k) {
        sum += static_cast<double>(x[k]) * weight_at(job, n * input.inputs + k);
      }
      y = static_cast<float>(sum);
    }
  }
}

}  // namespace refocus::reference
