#include "kernels/rope.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/rope.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <bool kBack>
HWY_INLINE void turn(float* x, std::int64_t heads, std::int64_t head_dim, const float* cosines,
                     const float* sines, std::int64_t rotary) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t half = (rotary > 0 ? rotary : head_dim) / 2;
  for (std::int64_t h = 0; h < heads; ++h, x += head_dim) {
    std::int64_t i = 0;
    for (; i + lanes <= half; i += lanes) {
      const auto a = hn::LoadU(d, x + i), b = hn::LoadU(d, x + i + half);
      const auto c = hn::LoadU(d, cosines + i), s0 = hn::LoadU(d, sines + i);
      const auto s = kBack ? hn::Neg(s0) : s0;
      hn::StoreU(hn::NegMulAdd(b, s, hn::Mul(a, c)), d, x + i);
      hn::StoreU(hn::MulAdd(a, s, hn::Mul(b, c)), d, x + i + half);
    }
    for (; i < half; ++i) {
      const float a = x[i], b = x[i + half], s = kBack ? -sines[i] : sines[i];
      x[i] = a * cosines[i] - b * s;
      x[i + half] = b * cosines[i] + a * s;
    }
  }
}

void rope(float* x, std::int64_t heads, std::int64_t head_dim, const float* cosines, const float* sines,
          std::int64_t rotary) {
  turn<false>(x, heads, head_dim, cosines, sines, rotary);
}
void rope_backward(float* dx, std::int64_t heads, std::int64_t head_dim, const float* cosines,
                   const float* sines, std::int64_t rotary) {
  turn<true>(dx, heads, head_dim, cosines, sines, rotary);
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(rope);
HWY_EXPORT(rope_backward);
}  // namespace
void rope(float* x, std::int64_t heads, std::int64_t head_dim, const float* cosines, const float* sines,
          std::int64_t rotary) {
  HWY_DYNAMIC_DISPATCH(rope)(x, heads, head_dim, cosines, sines, rotary);
}
void rope_backward(float* dx, std::int64_t heads, std::int64_t head_dim, const float* cosines,
                   const float* sines, std::int64_t rotary) {
  HWY_DYNAMIC_DISPATCH(rope_backward)(dx, heads, head_dim, cosines, sines, rotary);
}
}  // namespace refocus
#endif
