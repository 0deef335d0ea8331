// Elementwise functions of MLPs: x = f(x), or x = f(x) * times where `times` is not null. SwiGLU, which is
// silu with `times`, has a file of its own (swiglu.h), with its gradient.
#pragma once

#include <cstdint>

namespace refocus {

using Elementwise = void (*)(float* x, const float* times, std::int64_t size);

// x / (1 + exp(-x))
void silu(float* x, const float* times, std::int64_t size);
// x Phi(x), with the error function to about 1.5e-7 (Hendrycks & Gimpel 2016)
void gelu(float* x, const float* times, std::int64_t size);
// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
void gelu_tanh(float* x, const float* times, std::int64_t size);
// max(x, 0)
void relu(float* x, const float* times, std::int64_t size);
// max(x, 0)^2 (So et al. 2021)
void relu_squared(float* x, const float* times, std::int64_t size);
// gpt-oss' gate: x = (u + 1) g / (1 + exp(-1.702 g)) with g = min(x, 7) and u = times within [-7, 7]
void clamped_swiglu(float* x, const float* times, std::int64_t size);
// cap tanh(x / cap)
void softcap(float* x, float cap, std::int64_t size);

// Gradients of gelu_tanh with `times` and of softcap; the formulas stand in kernels/reference/gradients.h.
// From gate, up (as they were) and dy = dL/d(result): gate becomes dL/dgate, up dL/dup.
void gelu_tanh_backward(float* gate, float* up, const float* dy, std::int64_t size);
// From y, the capped values: dy becomes dL/dx.
void softcap_backward(const float* y, float cap, float* dy, std::int64_t size);

namespace reference {
void silu(float* x, const float* times, std::int64_t size);
void gelu(float* x, const float* times, std::int64_t size);
void gelu_tanh(float* x, const float* times, std::int64_t size);
void relu(float* x, const float* times, std::int64_t size);
void relu_squared(float* x, const float* times, std::int64_t size);
void clamped_swiglu(float* x, const float* times, std::int64_t size);
void softcap(float* x, float cap, std::int64_t size);
}  // namespace reference

}  // namespace refocus
