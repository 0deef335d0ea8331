// Root-mean-square norm (Zhang & Sennrich 2019): y = x / sqrt(mean(x^2) + eps) * weight, one row at a time.
#pragma once

#include <cstdint>

namespace refocus {

// x, y, weight: [size]; the mean of squares is summed in double. y may be x.
void rms_norm(const float* x, const float* weight, std::int64_t size, float eps, float* y);

// From x, weight and dy (dL/dy): dx is overwritten, or added to with `accumulate`; d_weight is added to. The
// formula stands in kernels/reference/gradients.h. dx may be dy where it is overwritten.
struct RmsNormGradient {
  const float *x, *weight, *dy;  // [size]
  float *dx, *d_weight;          // [size]
  bool accumulate = false;
};
void rms_norm_backward(const RmsNormGradient& gradient, std::int64_t size, float eps);

namespace reference {
void rms_norm(const float* x, const float* weight, std::int64_t size, float eps, float* y);
}

}  // namespace refocus
