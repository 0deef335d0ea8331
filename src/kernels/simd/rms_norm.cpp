#include "kernels/rms_norm.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/rms_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void rms_norm(const float* x, const float* weight, std::int64_t size, float eps, float* y) {
  const hn::CappedTag<double, 8> d64;
  const hn::Rebind<float, decltype(d64)> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum0 = hn::Zero(d64), sum1 = hn::Zero(d64);
  std::int64_t i = 0;
  for (; i + 2 * lanes <= size; i += 2 * lanes) {
    const auto a = hn::PromoteTo(d64, hn::LoadU(d, x + i));
    const auto b = hn::PromoteTo(d64, hn::LoadU(d, x + i + lanes));
    sum0 = hn::MulAdd(a, a, sum0);
    sum1 = hn::MulAdd(b, b, sum1);
  }
  double squares = hn::GetLane(hn::SumOfLanes(d64, hn::Add(sum0, sum1)));
  for (; i < size; ++i) squares += static_cast<double>(x[i]) * x[i];
  const auto scale = static_cast<float>(1 / std::sqrt(squares / static_cast<double>(size) + eps));
  for (i = 0; i + lanes <= size; i += lanes) {
    const auto scaled = hn::Mul(hn::LoadU(d, x + i), hn::Set(d, scale));
    hn::StoreU(hn::Mul(scaled, hn::LoadU(d, weight + i)), d, y + i);
  }
  for (; i < size; ++i) y[i] = x[i] * scale * weight[i];
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(rms_norm);
}
void rms_norm(const float* x, const float* weight, std::int64_t size, float eps, float* y) {
  HWY_DYNAMIC_DISPATCH(rms_norm)(x, weight, size, eps, y);
}
}  // namespace refocus
#endif
