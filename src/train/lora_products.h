// Forward and backward of the adapters beside a model's products (formulas: lora_forward and lora_backward in
// kernels/reference/gradients.h). Nothing here touches the model's own weights.
#pragma once

#include <cstdint>
#include <vector>

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

  // y [rows, outputs of the group] += s (x A^T) B^T, each matrix in its columns. x [rows, inputs]. What
  // backward needs is kept until the place's next forward.
  void forward(const Place& place, const float* weights, const float* x, float* y);

  struct Gradient {
    const float *x, *dy;         // of forward's x and y
    float* dx = nullptr;         // added to; or null where nobody wants it
    float* gradients = nullptr;  // [layout.size()], added to
  };
  void backward(const Place& place, const float* weights, const Gradient& g);

 private:
  void scale(float* values, std::int64_t rows, std::int64_t width);

  const LoraLayout& layout_;
  ThreadPool& pool_;
  std::vector<AlignedBuffer<float>> kept_;  // of each layer and group: t = s x A^T, [rows, members * rank]
  AlignedBuffer<float> d_narrow_;           // dt, of the same shape
  GemmScratch scratch_;
};

}  // namespace refocus
