#include "kernels/activation.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/activation.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;

// x = f(x, times), with times 1 where there is none. The rest of a row goes through padded copies, so that
// every element goes through the same arithmetic.
template <class F>
HWY_INLINE void each(float* x, const float* times, std::int64_t size, const F& f) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const V one = hn::Set(d, 1.0f);
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    hn::StoreU(f(hn::LoadU(d, x + i), times != nullptr ? hn::LoadU(d, times + i) : one), d, x + i);
  }
  if (i == size) return;
  alignas(64) float a[16] = {}, b[16] = {};
  const auto bytes = static_cast<std::size_t>(size - i) * sizeof(float);
  std::memcpy(a, x + i, bytes);
  if (times != nullptr) std::memcpy(b, times + i, bytes);
  hn::Store(f(hn::Load(d, a), times != nullptr ? hn::Load(d, b) : one), d, a);
  std::memcpy(x + i, a, bytes);
}

HWY_INLINE V sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, exp(d, hn::Neg(x))));
}

void silu(float* x, const float* times, std::int64_t size) {
  const D d;
  each(x, times, size, [&](V v, V t) HWY_ATTR {
    return hn::Mul(hn::Div(v, hn::Add(hn::Set(d, 1.0f), exp(d, hn::Neg(v)))), t);
  });
}

void gelu(float* x, const float* times, std::int64_t size) {
  const D d;
  each(x, times, size, [&](V v, V t) HWY_ATTR {
    const V half = hn::Mul(v, hn::Set(d, 0.5f));
    const V error = erf(d, hn::Mul(v, hn::Set(d, 0.70710678118654752f)));
    return hn::Mul(hn::MulAdd(half, error, half), t);
  });
}

void gelu_tanh(float* x, const float* times, std::int64_t size) {
  const D d;
  each(x, times, size, [&](V v, V t) HWY_ATTR {
    const V half = hn::Mul(v, hn::Set(d, 0.5f));
    const V cube = hn::MulAdd(hn::Mul(hn::Mul(v, v), hn::Set(d, 0.044715f)), v, v);
    return hn::Mul(hn::MulAdd(half, tanh(d, hn::Mul(cube, hn::Set(d, 0.79788456080286536f))), half), t);
  });
}

void relu(float* x, const float* times, std::int64_t size) {
  const D d;
  each(x, times, size, [&](V v, V t) HWY_ATTR {
    return hn::Mul(hn::IfThenZeroElse(hn::Lt(v, hn::Zero(d)), v), t);  // NaN stays NaN
  });
}

void relu_squared(float* x, const float* times, std::int64_t size) {
  const D d;
  each(x, times, size, [&](V v, V t) HWY_ATTR {
    const V positive = hn::IfThenZeroElse(hn::Lt(v, hn::Zero(d)), v);
    return hn::Mul(hn::Mul(positive, positive), t);
  });
}

void clamped_swiglu(float* x, const float* times, std::int64_t size) {
  const D d;
  each(x, times, size, [&](V v, V t) HWY_ATTR {
    const V most = hn::Set(d, 7.0f), least = hn::Set(d, -7.0f);
    const V g = hn::IfThenElse(hn::Gt(v, most), most, v);
    V u = hn::IfThenElse(hn::Gt(t, most), most, t);
    u = hn::IfThenElse(hn::Lt(u, least), least, u);
    const V gate = hn::Mul(g, sigmoid(d, hn::Mul(g, hn::Set(d, 1.702f))));
    return hn::Mul(hn::Add(u, hn::Set(d, 1.0f)), gate);
  });
}

void softcap(float* x, float cap, std::int64_t size) {
  const D d;
  const V c = hn::Set(d, cap);
  each(x, nullptr, size, [&](V v, V) HWY_ATTR { return hn::Mul(c, tanh(d, hn::Div(v, c))); });
}

// The tanh of gelu_tanh, and the derivative of what stands in it.
HWY_INLINE V gelu_angle(D d, V x, V& slope) {
  const V square = hn::Mul(x, x), c = hn::Set(d, 0.79788456080286536f);
  slope = hn::Mul(c, hn::MulAdd(square, hn::Set(d, 3 * 0.044715f), hn::Set(d, 1.0f)));
  const V cube = hn::MulAdd(hn::Mul(square, hn::Set(d, 0.044715f)), x, x);
  return tanh(d, hn::Mul(cube, c));
}

void gelu_tanh_backward(float* gate, float* up, const float* dy, std::int64_t size) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const V half = hn::Set(d, 0.5f);
  const auto step = [&](float* gs, float* us, const float* dys) HWY_ATTR {
    const V g = hn::LoadU(d, gs), u = hn::LoadU(d, us), dv = hn::LoadU(d, dys);
    V slope;
    const V t = gelu_angle(d, g, slope), open = hn::MulAdd(t, half, half), half_g = hn::Mul(g, half);
    const V rising = hn::Mul(half_g, hn::NegMulAdd(t, t, hn::Set(d, 1.0f)));
    hn::StoreU(hn::Mul(hn::Mul(dv, u), hn::MulAdd(rising, slope, open)), d, gs);
    hn::StoreU(hn::Mul(dv, hn::Mul(g, open)), d, us);
  };
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) step(gate + i, up + i, dy + i);
  if (i == size) return;
  alignas(64) float g[16] = {}, u[16] = {}, dv[16] = {};
  const auto bytes = static_cast<std::size_t>(size - i) * sizeof(float);
  std::memcpy(g, gate + i, bytes);
  std::memcpy(u, up + i, bytes);
  std::memcpy(dv, dy + i, bytes);
  step(g, u, dv);
  std::memcpy(gate + i, g, bytes);
  std::memcpy(up + i, u, bytes);
}

void softcap_backward(const float* y, float cap, float* dy, std::int64_t size) {
  const D d;
  const V one = hn::Set(d, 1.0f), c = hn::Set(d, cap);
  each(dy, y, size, [&](V v, V at) HWY_ATTR {
    const V t = hn::Div(at, c);
    return hn::Mul(v, hn::NegMulAdd(t, t, one));
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(silu);
HWY_EXPORT(gelu);
HWY_EXPORT(gelu_tanh);
HWY_EXPORT(relu);
HWY_EXPORT(relu_squared);
HWY_EXPORT(clamped_swiglu);
HWY_EXPORT(softcap);
HWY_EXPORT(gelu_tanh_backward);
HWY_EXPORT(softcap_backward);
}  // namespace

void silu(float* x, const float* times, std::int64_t size) { HWY_DYNAMIC_DISPATCH(silu)(x, times, size); }
void gelu(float* x, const float* times, std::int64_t size) { HWY_DYNAMIC_DISPATCH(gelu)(x, times, size); }
void gelu_tanh(float* x, const float* times, std::int64_t size) {
  HWY_DYNAMIC_DISPATCH(gelu_tanh)(x, times, size);
}
void relu(float* x, const float* times, std::int64_t size) { HWY_DYNAMIC_DISPATCH(relu)(x, times, size); }
void relu_squared(float* x, const float* times, std::int64_t size) {
  HWY_DYNAMIC_DISPATCH(relu_squared)(x, times, size);
}
void clamped_swiglu(float* x, const float* times, std::int64_t size) {
  HWY_DYNAMIC_DISPATCH(clamped_swiglu)(x, times, size);
}
void softcap(float* x, float cap, std::int64_t size) { HWY_DYNAMIC_DISPATCH(softcap)(x, cap, size); }
void gelu_tanh_backward(float* gate, float* up, const float* dy, std::int64_t size) {
  HWY_DYNAMIC_DISPATCH(gelu_tanh_backward)(gate, up, dy, size);
}
void softcap_backward(const float* y, float cap, float* dy, std::int64_t size) {
  HWY_DYNAMIC_DISPATCH(softcap_backward)(y, cap, dy, size);
}
}  // namespace refocus
#endif
