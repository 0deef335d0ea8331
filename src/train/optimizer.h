// AdamW over flat weights, its learning rate over time, and clipping by the global norm.
#pragma once

#include <cstdint>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "train/parameters.h"

namespace refocus {

struct OptimizerOptions {
  std::int64_t steps = 1000;  // of the whole run
  std::int64_t warmup = 0;    // steps over which the rate rises linearly from 0
  double learning_rate = 1e-3, min_learning_rate = 1e-4;
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double weight_decay = 0.1;  // of matrices; norms and biases do not decay
  double clip = 1;            // most the gradient's global norm may be; 0: any
};

// At 1-based `step`: learning_rate * step / warmup, then half a cosine down to min_learning_rate at the last
// step (Loshchilov & Hutter 2017, without restarts).
double learning_rate_at(const OptimizerOptions& options, std::int64_t step);

class AdamW {
 public:
  AdamW(const ParameterList& layout, const OptimizerOptions& options, ThreadPool& pool);

  // The gradient's norm over all parameters, in double, summed in one fixed order.
  double gradient_norm(const float* gradients);
  // One update at 1-based `step`, with the gradient clipped by its norm.
  void update(std::int64_t step, const float* gradients, double gradient_norm, float* weights);

  float* m() { return m_.data(); }
  float* v() { return v_.data(); }

 private:
  const ParameterList& layout_;
  OptimizerOptions options_;
  ThreadPool& pool_;
  AlignedBuffer<float> m_, v_;  // [layout.size()]: running means of gradients and of their squares
};

}  // namespace refocus
