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

void rms_norm_backward(const RmsNormGradient& g, std::int64_t size, float eps) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto squares = hn::Zero(d), dots = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    const auto x = hn::LoadU(d, g.x + i);
    squares = hn::MulAdd(x, x, squares);
    dots = hn::MulAdd(hn::Mul(x, hn::LoadU(d, g.weight + i)), hn::LoadU(d, g.dy + i), dots);
  }
  double square = hn::GetLane(hn::SumOfLanes(d, squares)), dot = hn::GetLane(hn::SumOfLanes(d, dots));
  for (std::int64_t j = i; j < size; ++j) {
    square += static_cast<double>(g.x[j]) * g.x[j];
    dot += static_cast<double>(g.x[j]) * g.weight[j] * g.dy[j];
  }
  const double r = 1 / std::sqrt(square / static_cast<double>(size) + eps);
  const auto scale = static_cast<float>(r);
  const auto along = static_cast<float>(r * r * r * dot / static_cast<double>(size));
  const auto scales = hn::Set(d, scale), alongs = hn::Set(d, along);
  for (i = 0; i + lanes <= size; i += lanes) {
    const auto x = hn::LoadU(d, g.x + i), scaled = hn::Mul(hn::LoadU(d, g.dy + i), scales);
    hn::StoreU(hn::MulAdd(scaled, x, hn::LoadU(d, g.d_weight + i)), d, g.d_weight + i);
    auto dx = hn::NegMulAdd(x, alongs, hn::Mul(scaled, hn::LoadU(d, g.weight + i)));
    if (g.accumulate) dx = hn::Add(dx, hn::LoadU(d, g.dx + i));
    hn::StoreU(dx, d, g.dx + i);
  }
  for (; i < size; ++i) {
    const float scaled = g.dy[i] * scale;
    g.d_weight[i] += scaled * g.x[i];
    g.dx[i] = scaled * g.weight[i] - g.x[i] * along + (g.accumulate ? g.dx[i] : 0.0f);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(rms_norm);
HWY_EXPORT(rms_norm_backward);
}  // namespace
void rms_norm(const float* x, const float* weight, std::int64_t size, float eps, float* y) {
  HWY_DYNAMIC_DISPATCH(rms_norm)(x, weight, size, eps, y);
}
void rms_norm_backward(const RmsNormGradient& gradient, std::int64_t size, float eps) {
  HWY_DYNAMIC_DISPATCH(rms_norm_backward)(gradient, size, eps);
}
}  // namespace refocus
#endif
