// Layer normalisation (Ba et al. 2016): y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias, one row at a
// time.
#pragma once

#include <cstdint>

namespace refocus {

// x, y, weight, bias: [size], bias null for none; mean and variance are summed in double. y may be x.
void layer_norm(const float* x, const float* weight, const float* bias, std::int64_t size, float eps,
                float* y);

namespace reference {
void layer_norm(const float* x, const float* weight, const float* bias, std::int64_t size, float eps,
                float* y);
}

}  // namespace refocus
