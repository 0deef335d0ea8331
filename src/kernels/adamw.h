// AdamW's update of one run of weights (Loshchilov & Hutter 2019, algorithm 2, with PyTorch's convention that
// the learning rate multiplies the weight decay), and the sum of squares that gradient clipping needs.
#pragma once

#include <cstdint>

namespace refocus {

struct AdamWStep {
  float learning_rate = 0, beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f, weight_decay = 0;
  float gradient_scale = 1;    // every gradient is multiplied by this first: clipping
  float bias1 = 1, bias2 = 1;  // 1 - beta1^t and 1 - beta2^t at step t = 1, 2, ...
};

// weight, m, v, gradient: [size]. All but the gradient are updated.
void adamw(const AdamWStep& step, std::int64_t size, const float* gradient, float* weight, float* m,
           float* v);

// sum x^2 of [size], in lanes that depend on the instruction set only.
double sum_of_squares(const float* x, std::int64_t size);

}  // namespace refocus
