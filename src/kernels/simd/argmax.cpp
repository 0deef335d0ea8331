#include "kernels/argmax.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/argmax.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

bool all_finite(const float* x, std::int64_t size) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d);  // x - x is 0 for finite x, NaN otherwise
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    sum = hn::Add(sum, hn::Sub(v, v));
  }
  bool finite = hn::AllTrue(d, hn::Eq(sum, sum));
  for (; i < size; ++i) finite = finite && std::isfinite(x[i]);
  return finite;
}

bool fits_half(const float* x, std::int64_t size) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto limit = hn::Set(d, kHalfOverflow);
  auto within = hn::Lt(hn::Zero(d), limit);  // by lane; NaN is below nothing
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    within = hn::And(within, hn::Lt(hn::Abs(hn::LoadU(d, x + i)), limit));
  }
  bool fits = hn::AllTrue(d, within);
  for (; i < size; ++i) fits = fits && std::abs(x[i]) < kHalfOverflow;
  return fits;
}

// Two sweeps: the largest value, then its first place. The second one stops early and reads the cache.
std::int64_t argmax(const float* x, std::int64_t size) {
  if (size <= 0 || !all_finite(x, size)) return -1;
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto max = hn::Set(d, x[0]);
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) max = hn::Max(max, hn::LoadU(d, x + i));
  float best = hn::GetLane(hn::MaxOfLanes(d, max));
  for (; i < size; ++i) best = x[i] > best ? x[i] : best;
  for (i = 0; x[i] != best; ++i) {
  }
  return i;
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(argmax);
HWY_EXPORT(all_finite);
HWY_EXPORT(fits_half);
}  // namespace
std::int64_t argmax(const float* x, std::int64_t size) { return HWY_DYNAMIC_DISPATCH(argmax)(x, size); }
bool all_finite(const float* x, std::int64_t size) { return HWY_DYNAMIC_DISPATCH(all_finite)(x, size); }
bool fits_half(const float* x, std::int64_t size) { return HWY_DYNAMIC_DISPATCH(fits_half)(x, size); }
}  // namespace refocus
#endif
