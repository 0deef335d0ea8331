#include "kernels/swiglu.h"

#include <cstring>

#include "kernels/activation.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/swiglu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void swiglu_backward(float* gate, float* up, const float* dy, std::int64_t size) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto one = hn::Set(d, 1.0f);
  const auto step = [&](float* gs, float* us, const float* dys) {
    const auto g = hn::LoadU(d, gs), u = hn::LoadU(d, us), dv = hn::LoadU(d, dys);
    const auto s = hn::Div(one, hn::Add(one, exp(d, hn::Neg(g))));
    const auto slope = hn::Mul(s, hn::MulAdd(g, hn::Sub(one, s), one));
    hn::StoreU(hn::Mul(hn::Mul(dv, u), slope), d, gs);
    hn::StoreU(hn::Mul(dv, hn::Mul(g, s)), d, us);
  };
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) step(gate + i, up + i, dy + i);
  if (i < size) {
    alignas(64) float g[16] = {}, u[16] = {}, dv[16] = {};
    const auto bytes = static_cast<std::size_t>(size - i) * sizeof(float);
    std::memcpy(g, gate + i, bytes);
    std::memcpy(u, up + i, bytes);
    std::memcpy(dv, dy + i, bytes);
    step(g, u, dv);
    std::memcpy(gate + i, g, bytes);
    std::memcpy(up + i, u, bytes);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(swiglu_backward);
}  // namespace
void swiglu(float* gate, const float* up, std::int64_t size) { silu(gate, up, size); }
void swiglu_backward(float* gate, float* up, const float* dy, std::int64_t size) {
  HWY_DYNAMIC_DISPATCH(swiglu_backward)(gate, up, dy, size);
}
}  // namespace refocus
#endif
