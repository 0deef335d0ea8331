// Forward and backward of adapters (formulas: lora_forward and lora_backward in
// kernels/reference/gradients.h).
//
// Forward adds the change to a copy of the weights, W' = W + s B A, once for all rows: beside a product with
// so many rows, products with the narrow factors would cost mostly the reading and writing of activations.
// The backward pass of x is then dy W', and only the factors' gradients are left.
#pragma once

#include <cstdint>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/gemm.h"
#include "train/lora.h"

namespace refocus {

class LoraProducts {
 public:
  // `layout` must outlive it.
  LoraProducts(const LoraLayout& layout, ThreadPool& pool);

  struct Place {
    std::int64_t layer = 0;
    LinearGroup group = LinearGroup::kQkv;
    std::int64_t rows = 0;
  };

  // w [outputs of the group, inputs] += s B A, each matrix in its rows.
  void fold(std::int64_t layer, LinearGroup group, const float* weights, float* w);

  struct Gradient {
    const float *x, *dy;  // [rows, inputs], [rows, outputs of the group]
    float* gradients;     // [layout.size()], added to
  };
  void backward(const Place& place, const float* weights, const Gradient& g);

 private:
  const LoraLayout& layout_;
  ThreadPool& pool_;
  AlignedBuffer<float> narrow_, d_narrow_;  // t = s x A^T and dt = s dy B, [rows, members * rank]
  AlignedBuffer<float> da_;                 // dA^T, [inputs, members * rank]
  AlignedBuffer<float> scaled_b_;
  GemmScratch scratch_;
};

}  // namespace refocus
