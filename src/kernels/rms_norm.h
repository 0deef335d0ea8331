// Root-mean-square norm (Zhang & Sennrich 2019): y = x / sqrt(mean(x^2) + eps) * weight, one row at a time.
#pragma once

#include <cstdint>

namespace refocus {

// x, y, weight: [size]; the mean of squares is summed in double. y may be x.
void rms_norm(const float* x, const float* weight, std::int64_t size, float eps, float* y);

namespace reference {
void rms_norm(const float* x, const float* weight, std::int64_t size, float eps, float* y);
}

}  // namespace refocus
