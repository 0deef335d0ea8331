#include "kernels/activation.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace refocus::reference {

namespace {

template <class F>
void each(float* x, const float* times, std::int64_t size, const F& f) {
  for (std::int64_t i = 0; i < size; ++i) {
    const double y = f(static_cast<double>(x[i]));
    x[i] = static_cast<float>(times != nullptr ? y * times[i] : y);
  }
}

}  // namespace

void silu(float* x, const float* times, std::int64_t size) {
  each(x, times, size, [](double v) { return v / (1 + std::exp(-v)); });
}
void gelu(float* x, const float* times, std::int64_t size) {
  each(x, times, size, [](double v) { return v / 2 * (1 + std::erf(v / std::numbers::sqrt2)); });
}
void gelu_tanh(float* x, const float* times, std::int64_t size) {
  const double c = std::sqrt(2 / std::numbers::pi);
  each(x, times, size, [=](double v) { return v / 2 * (1 + std::tanh(c * (v + 0.044715 * v * v * v))); });
}
void relu(float* x, const float* times, std::int64_t size) {
  each(x, times, size, [](double v) { return std::max(v, 0.0); });
}
void relu_squared(float* x, const float* times, std::int64_t size) {
  each(x, times, size, [](double v) { return std::max(v, 0.0) * std::max(v, 0.0); });
}
void clamped_swiglu(float* x, const float* times, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) {
    const double g = std::min(static_cast<double>(x[i]), 7.0),
                 u = std::clamp(static_cast<double>(times[i]), -7.0, 7.0);
    x[i] = static_cast<float>((u + 1) * g / (1 + std::exp(-1.702 * g)));
  }
}
void softcap(float* x, float cap, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) x[i] = static_cast<float>(cap * std::tanh(double{x[i]} / cap));
}

}  // namespace refocus::reference
