#include "kernels/layer_norm.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/layer_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The mean first, then the squares of what differs from it: the difference of sums would lose digits where
// the mean is large beside the deviations.
void layer_norm(const float* x, const float* weight, const float* bias, std::int64_t size, float eps,
                float* y) {
  const hn::CappedTag<double, 8> d64;
  const hn::Rebind<float, decltype(d64)> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sums = hn::Zero(d64);
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) sums = hn::Add(sums, hn::PromoteTo(d64, hn::LoadU(d, x + i)));
  double sum = hn::GetLane(hn::SumOfLanes(d64, sums));
  for (; i < size; ++i) sum += x[i];
  const double mean = sum / static_cast<double>(size);
  auto squares = hn::Zero(d64);
  for (i = 0; i + lanes <= size; i += lanes) {
    const auto off = hn::Sub(hn::PromoteTo(d64, hn::LoadU(d, x + i)), hn::Set(d64, mean));
    squares = hn::MulAdd(off, off, squares);
  }
  double variance = hn::GetLane(hn::SumOfLanes(d64, squares));
  for (; i < size; ++i) variance += (x[i] - mean) * (x[i] - mean);
  const double scale = 1 / std::sqrt(variance / static_cast<double>(size) + eps);
  const auto scaled = [&](auto values) HWY_ATTR {
    return hn::DemoteTo(
        d, hn::Mul(hn::Sub(hn::PromoteTo(d64, values), hn::Set(d64, mean)), hn::Set(d64, scale)));
  };
  for (i = 0; i + lanes <= size; i += lanes) {
    const auto w = hn::LoadU(d, weight + i), v = scaled(hn::LoadU(d, x + i));
    hn::StoreU(bias != nullptr ? hn::MulAdd(v, w, hn::LoadU(d, bias + i)) : hn::Mul(v, w), d, y + i);
  }
  for (; i < size; ++i) {
    const auto v = static_cast<float>((x[i] - mean) * scale);
    y[i] = bias != nullptr ? std::fma(v, weight[i], bias[i]) : v * weight[i];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(layer_norm);
}  // namespace
void layer_norm(const float* x, const float* weight, const float* bias, std::int64_t size, float eps,
                float* y) {
  HWY_DYNAMIC_DISPATCH(layer_norm)(x, weight, bias, size, eps, y);
}
}  // namespace refocus
#endif
