#include "kernels/distribution.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "base/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/distribution.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// Highway's own, which keeps a guard of each instruction set.
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Term i of a sum goes to lane i % 16, and the lanes are added one after the other.
constexpr std::size_t kLanes = 16;

// The sum over i < size of term(d, i, n), n lanes of doubles from i on; `plain` is one of them alone.
template <typename Term, typename Plain>
HWY_INLINE double sum_of(std::size_t size, Term term, Plain plain) {
  const hn::CappedTag<double, 8> d;
  const std::size_t lanes = hn::Lanes(d);
  HWY_ALIGN double sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; l += lanes) {
      hn::Store(hn::Add(hn::Load(d, sums + l), term(d, i + l)), d, sums + l);
    }
  }
  for (; i < size; ++i) sums[i % kLanes] += plain(i);
  double sum = 0;
  for (const double lane : sums) sum += lane;
  return sum;
}

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const float* x) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, D>(), x));
}

// One number by the instructions of the lanes.
HWY_INLINE double exp_of(double x) {
  const hn::CappedTag<double, 1> d;
  return hn::GetLane(hn::Exp(d, hn::Set(d, x)));
}

double log_sum_exp(const float* x, std::size_t size) {
  const hn::CappedTag<float, 16> f;
  const std::size_t lanes = hn::Lanes(f);
  auto largest = hn::Set(f, x[0]);
  std::size_t i = 0;
  for (; i + lanes <= size; i += lanes) largest = hn::Max(largest, hn::LoadU(f, x + i));
  float most = hn::GetLane(hn::MaxOfLanes(f, largest));
  for (; i < size; ++i) most = std::max(most, x[i]);
  const double max = most;
  const double sum = sum_of(
      size, [&](auto d, std::size_t at) { return hn::Exp(d, hn::Sub(load(d, x + at), hn::Set(d, max))); },
      [&](std::size_t at) { return exp_of(static_cast<double>(x[at]) - max); });
  return max + std::log(sum);
}

double kl_divergence(const float* x, double x_sum, const float* y, double y_sum, std::size_t size) {
  const double sum = sum_of(
      size,
      [&](auto d, std::size_t at) {
        const auto log_p = hn::Sub(load(d, x + at), hn::Set(d, x_sum));
        const auto log_q = hn::Sub(load(d, y + at), hn::Set(d, y_sum));
        return hn::Mul(hn::Exp(d, log_p), hn::Sub(log_p, log_q));
      },
      [&](std::size_t at) {
        const double log_p = static_cast<double>(x[at]) - x_sum, log_q = static_cast<double>(y[at]) - y_sum;
        return exp_of(log_p) * (log_p - log_q);
      });
  return std::max(sum, 0.0);
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(log_sum_exp);
HWY_EXPORT(kl_divergence);
}  // namespace

double log_sum_exp(std::span<const float> logits) {
  REFOCUS_CHECK(!logits.empty());
  return HWY_DYNAMIC_DISPATCH(log_sum_exp)(logits.data(), logits.size());
}

double kl_divergence(std::span<const float> reference, double reference_log_sum, std::span<const float> other,
                     double other_log_sum) {
  REFOCUS_CHECK(reference.size() == other.size());
  return HWY_DYNAMIC_DISPATCH(kl_divergence)(reference.data(), reference_log_sum, other.data(), other_log_sum,
                                             other.size());
}

}  // namespace refocus
#endif
