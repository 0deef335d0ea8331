#include "kernels/argmax.h"

#include <cmath>

namespace refocus::reference {

std::int64_t argmax(const float* x, std::int64_t size) {
  std::int64_t best = size > 0 ? 0 : -1;
  for (std::int64_t i = 0; i < size; ++i) {
    if (!std::isfinite(x[i])) return -1;
    if (x[i] > x[best]) best = i;
  }
  return best;
}

}  // namespace refocus::reference
