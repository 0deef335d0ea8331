#include "kernels/swiglu.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/swiglu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void swiglu(float* gate, const float* up, std::int64_t size) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto one = hn::Set(d, 1.0f);
  const auto vector = [&](auto g, auto u) {
    return hn::Mul(hn::Div(g, hn::Add(one, exp(d, hn::Neg(g)))), u);
  };
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    hn::StoreU(vector(hn::LoadU(d, gate + i), hn::LoadU(d, up + i)), d, gate + i);
  }
  if (i < size) {  // the rest through padded copies, so that every element goes through the same arithmetic
    alignas(64) float g[16] = {}, u[16] = {};
    const auto bytes = static_cast<std::size_t>(size - i) * sizeof(float);
    std::memcpy(g, gate + i, bytes);
    std::memcpy(u, up + i, bytes);
    hn::Store(vector(hn::Load(d, g), hn::Load(d, u)), d, g);
    std::memcpy(gate + i, g, bytes);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(swiglu);
}
void swiglu(float* gate, const float* up, std::int64_t size) { HWY_DYNAMIC_DISPATCH(swiglu)(gate, up, size); }
}  // namespace refocus
#endif
