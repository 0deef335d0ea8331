// y = x W^T: products of float32 activations with stored weights (F32, F16 or BF16), float32 accumulation.
//
// Every output element is reduced in one fixed order: chunks of kMatMulChunk inputs, one after the other;
// within a chunk each SIMD lane sums every lanes-th product, then the lanes are added pairwise. The order
// depends on the inputs' count and the instruction set only: not on the rows of x, on threads, or on how work
// is split.
//
// AMX has an order of its own, which depends on the inputs' count and the weights' type: activations are sums
// of three bf16 numbers and weights of one (BF16), two (F16) or three (F32), exactly; of their products those
// below 2^-24 of the greatest are left out. Steps of 32 inputs are added one after the other, and of each
// step the products of two parts, the least first, all as multiply_bf16 (simd/amx.h) adds them. Numbers of
// less than 2^-126 count as 0 there. No infinity or NaN is lost, but one may become the other.
#pragma once

#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "tensor/dtype.h"

namespace refocus {

inline constexpr std::int64_t kMatMulChunk = 512;

// Floats between two activation rows are rounded up to this, and the gap is zero, so that kernels read whole
// vectors. 16 floats are a cache line.
inline constexpr std::int64_t kRowAlign = 16;
constexpr std::int64_t padded(std::int64_t n) { return (n + kRowAlign - 1) / kRowAlign * kRowAlign; }

struct MatMulJob {
  const std::byte* weights = nullptr;  // [outputs, inputs], any alignment
  DType dtype = DType::kF32;
  std::int64_t outputs = 0;
  const float* bias = nullptr;  // [outputs], or null
  bool accumulate = false;      // adds to y instead of overwriting it
  float* y = nullptr;           // [rows, y_stride]
  std::int64_t y_stride = 0;    // >= outputs
};

struct MatMulInput {
  const float* x = nullptr;  // [rows, padded(inputs)], zero beyond `inputs`
  std::int64_t rows = 0;
  std::int64_t inputs = 0;
  bool round_weights = false;  // to bf16, as they are read: for bf16_matmul.h without AMX
};

// Runs several products with the same x as one parallel loop (query, key and value; gate and up).
void matmul(ThreadPool& pool, const MatMulInput& input, std::span<const MatMulJob> jobs);

namespace reference {
void matmul(const MatMulInput& input, const MatMulJob& job);
}

}  // namespace refocus
