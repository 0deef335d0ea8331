#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/cross_entropy.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

double cross_entropy(const float* logits, std::int64_t size, std::int64_t target, float weight,
                     float* gradient) {
  const hn::CappedTag<float, 16> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  // The last, incomplete vector goes through a padded copy.
  const std::int64_t whole = size / lanes * lanes;
  alignas(64) float rest[16];
  std::fill(rest, rest + 16, kLowest);
  std::copy(logits + whole, logits + size, rest);
  auto max = hn::Load(d, rest);
  for (std::int64_t i = 0; i < whole; i += lanes) max = hn::Max(max, hn::LoadU(d, logits + i));
  const float top = hn::GetLane(hn::MaxOfLanes(d, max));
  const auto tops = hn::Set(d, top);
  auto sums = exp(d, hn::Sub(hn::Load(d, rest), tops));
  for (std::int64_t i = 0; i < whole; i += lanes) {
    sums = hn::Add(sums, exp(d, hn::Sub(hn::LoadU(d, logits + i), tops)));
  }
  const double sum = hn::GetLane(hn::SumOfLanes(d, sums));
  const double loss = std::log(sum) + (static_cast<double>(top) - logits[target]);
  if (gradient == nullptr) return loss;
  const auto factor = hn::Set(d, static_cast<float>(weight / sum));
  for (std::int64_t i = 0; i < whole; i += lanes) {
    hn::StoreU(hn::Mul(exp(d, hn::Sub(hn::LoadU(d, logits + i), tops)), factor), d, gradient + i);
  }
  hn::Store(hn::Mul(exp(d, hn::Sub(hn::Load(d, rest), tops)), factor), d, rest);
  std::copy(rest, rest + (size - whole), gradient + whole);
  gradient[target] -= weight;
  return loss;
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(cross_entropy);
}
double cross_entropy(const float* logits, std::int64_t size, std::int64_t target, float weight,
                     float* gradient) {
  return HWY_DYNAMIC_DISPATCH(cross_entropy)(logits, size, target, weight, gradient);
}
}  // namespace refocus
#endif
