#include "kernels/layer_norm.h"

#include <cmath>

namespace refocus::reference {

void layer_norm(const float* x, const float* weight, const float* bias, std::int64_t size, float eps,
                float* y) {
  double mean = 0, variance = 0;
  for (std::int64_t i = 0; i < size; ++i) mean += x[i];
  mean /= static_cast<double>(size);
  for (std::int64_t i = 0; i < size; ++i) variance += (x[i] - mean) * (x[i] - mean);
  const double scale = 1 / std::sqrt(variance / static_cast<double>(size) + eps);
  for (std::int64_t i = 0; i < size; ++i) {
    y[i] = static_cast<float>((x[i] - mean) * scale * weight[i] + (bias != nullptr ? bias[i] : 0.0f));
  }
}

}  // namespace refocus::reference
