#include "kernels/rope.h"

namespace refocus::reference {

void rope(float* x, std::int64_t heads, std::int64_t head_dim, const float* cosines, const float* sines,
          std::int64_t rotary) {
  const std::int64_t half = (rotary > 0 ? rotary : head_dim) / 2;
  for (std::int64_t h = 0; h < heads; ++h, x += head_dim) {
    for (std::int64_t d = 0; d < half; ++d) {
      const double a = x[d], b = x[d + half];
      x[d] = static_cast<float>(a * cosines[d] - b * sines[d]);
      x[d + half] = static_cast<float>(b * cosines[d] + a * sines[d]);
    }
  }
}

}  // namespace refocus::reference
