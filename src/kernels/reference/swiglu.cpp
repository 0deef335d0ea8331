#include "kernels/swiglu.h"

#include <cmath>

namespace refocus::reference {

void swiglu(float* gate, const float* up, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) {
    const double g = gate[i];
    gate[i] = static_cast<float>(g / (1 + std::exp(-g)) * up[i]);
  }
}

}  // namespace refocus::reference
