#include "kernels/rms_norm.h"

#include <cmath>

namespace refocus::reference {

void rms_norm(const float* x, const float* weight, std::int64_t size, float eps, float* y) {
  double squares = 0;
  for (std::int64_t i = 0; i < size; ++i) squares += static_cast<double>(x[i]) * x[i];
  const double scale = 1 / std::sqrt(squares / static_cast<double>(size) + eps);
  for (std::int64_t i = 0; i < size; ++i) y[i] = static_cast<float>(x[i] * scale * weight[i]);
}

}  // namespace refocus::reference
