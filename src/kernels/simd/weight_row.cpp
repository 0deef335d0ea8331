// See kernels/weight_row.h.
#include "kernels/weight_row.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "kernels/matmul.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/weight_row.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/math-inl.h"

#ifndef REFOCUS_WEIGHT_ROW_SHARED
#define REFOCUS_WEIGHT_ROW_SHARED
namespace refocus {
inline constexpr std::int64_t kSumBlock = 1024;  // keys whose sum stays in float32 lanes

// Orders by weight, then by falling key: weights are not negative, so their bits have their order.
inline std::uint64_t rank_of(float weight, std::int64_t key) {
  return std::uint64_t{std::bit_cast<std::uint32_t>(weight)} << 32 |
         (0xFFFFFFFFu - static_cast<std::uint32_t>(key));
}
inline float weight_of(std::uint64_t rank) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(rank >> 32));
}
}  // namespace refocus
#endif

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
#define REFOCUS_LANES static_cast<std::int64_t>(hn::Lanes(D()))

void normalise_weights(const float* weights, float sum, std::int64_t n, float* out) {
  const D d;
  if (sum == 0) return std::fill_n(out, padded(n), 0.0f), void();
  std::int64_t j = 0;
  for (; j + REFOCUS_LANES <= n; j += REFOCUS_LANES) {
    hn::StoreU(hn::Div(hn::LoadU(d, weights + j), hn::Set(d, sum)), d, out + j);
  }
  for (; j < n; ++j) out[j] = weights[j] / sum;
  std::fill(out + n, out + padded(n), 0.0f);
}

// x ln x for x >= 0, the logarithm to about 1 unit in the last place; subnormal x count as the smallest
// normal number in it.
HWY_INLINE V x_log_x(V x) {
  const D d;
  return hn::Mul(x, log_of_positive(d, hn::Max(x, hn::Set(d, 1.17549435e-38f))));
}

double lane_sum(V v) { return double{hn::GetLane(hn::SumOfLanes(D(), v))}; }

RowSums sum_weights(const float* w, std::int64_t n, const std::int32_t* classes) {
  const D d;
  const hn::RebindToSigned<D> di;
  RowSums out;
  for (std::int64_t first = 0; first < n; first += kSumBlock) {
    const std::int64_t end = std::min(first + kSumBlock, padded(n));
    V logs = hn::Zero(d), of_class[kKeyClasses];
    for (V& v : of_class) v = hn::Zero(d);
    for (std::int64_t j = first; j < end; j += REFOCUS_LANES) {
      const V x = hn::LoadU(d, w + j);
      const auto c = hn::LoadU(di, classes + j);
      logs = hn::Add(logs, x_log_x(x));
      for (std::size_t k = 0; k < kKeyClasses; ++k) {
        const auto is_k = hn::RebindMask(d, hn::Eq(c, hn::Set(di, static_cast<std::int32_t>(k))));
        of_class[k] = hn::Add(of_class[k], hn::IfThenElseZero(is_k, x));
      }
    }
    out.w_log_w += lane_sum(logs);
    for (std::size_t k = 0; k < kKeyClasses; ++k) out.of_class[k] += lane_sum(of_class[k]);
  }
  for (const double sum : out.of_class) out.sum += sum;
  return out;
}

double sum_of_weights(const float* w, std::int64_t n) {
  const D d;
  double out = 0;
  for (std::int64_t first = 0; first < n; first += kSumBlock) {
    const std::int64_t end = std::min(first + kSumBlock, padded(n));
    V sum = hn::Zero(d);
    for (std::int64_t j = first; j < end; j += REFOCUS_LANES) sum = hn::Add(sum, hn::LoadU(d, w + j));
    out += lane_sum(sum);
  }
  return out;
}

double sum_of_mixture(const float* w, float a, const float* v, float b, std::int64_t n) {
  const D d;
  const V half_a = hn::Set(d, a / 2), half_b = hn::Set(d, b / 2);
  double out = 0;
  for (std::int64_t first = 0; first < n; first += kSumBlock) {
    const std::int64_t end = std::min(first + kSumBlock, padded(n));
    V sum = hn::Zero(d);
    for (std::int64_t j = first; j < end; j += REFOCUS_LANES) {
      const V m = hn::MulAdd(half_a, hn::LoadU(d, w + j), hn::Mul(half_b, hn::LoadU(d, v + j)));
      sum = hn::Add(sum, x_log_x(m));
    }
    out += lane_sum(sum);
  }
  return out;
}

void add_exactly(const float* w, std::int64_t n, double* sums) {
  // Numbers from 1.5 * 2^16 on have 2^-36 as their last place: adding that one and taking it away rounds.
  const hn::CappedTag<double, 8> d;
  const hn::Rebind<float, decltype(d)> df;
  const auto magic = hn::Set(d, 98304.0);
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t j = 0; j < n; j += lanes) {
    const auto x = hn::PromoteTo(d, hn::LoadU(df, w + j));
    hn::StoreU(hn::Add(hn::LoadU(d, sums + j), hn::Sub(hn::Add(x, magic), magic)), d, sums + j);
  }
}

std::int64_t count_above(const float* w, std::int64_t n, float bound) {
  const D d;
  std::int64_t count = 0, j = 0;
  for (; j + REFOCUS_LANES <= n; j += REFOCUS_LANES) {
    count += static_cast<std::int64_t>(hn::CountTrue(d, hn::Gt(hn::LoadU(d, w + j), hn::Set(d, bound))));
  }
  for (; j < n; ++j) count += w[j] > bound;
  return count;
}

// Candidates are gathered until the scratch memory is full; then all but the k largest go, and what does not
// exceed the k-th of them is passed over from there on: it comes later, so it would lose a tie.
std::int64_t largest_weights(const float* w, std::int64_t n, std::int64_t k, std::uint64_t* scratch,
                             std::int32_t* keys, float* weights) {
  const D d;
  const auto capacity = static_cast<std::int64_t>(largest_scratch(k));
  std::int64_t count = 0;
  float bound = -1;
  const auto keep_largest = [&] {
    std::nth_element(scratch, scratch + k - 1, scratch + count, std::greater<>());
    count = k;
    bound = weight_of(scratch[k - 1]);
  };
  std::int64_t j = 0;
  for (; j + 2 * REFOCUS_LANES <= n; j += 2 * REFOCUS_LANES) {
    const V limit = hn::Set(d, bound);
    const V larger = hn::Max(hn::LoadU(d, w + j), hn::LoadU(d, w + j + REFOCUS_LANES));
    if (hn::AllFalse(d, hn::Gt(larger, limit))) continue;
    for (std::int64_t i = j; i < j + 2 * REFOCUS_LANES; ++i) {
      scratch[count] = rank_of(w[i], i);
      count += w[i] > bound;
    }
    if (count + 2 * REFOCUS_LANES > capacity) keep_largest();
  }
  for (; j < n; ++j) {
    scratch[count] = rank_of(w[j], j);
    count += w[j] > bound;
  }
  if (count > k) keep_largest();
  std::sort(scratch, scratch + count, std::greater<>());
  for (std::int64_t i = 0; i < count; ++i) {
    keys[i] = static_cast<std::int32_t>(0xFFFFFFFFu - static_cast<std::uint32_t>(scratch[i]));
    weights[i] = weight_of(scratch[i]);
  }
  return count;
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(normalise_weights);
HWY_EXPORT(sum_weights);
HWY_EXPORT(sum_of_weights);
HWY_EXPORT(sum_of_mixture);
HWY_EXPORT(add_exactly);
HWY_EXPORT(count_above);
HWY_EXPORT(largest_weights);
}  // namespace

void normalise_weights(const float* weights, float sum, std::int64_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(normalise_weights)(weights, sum, n, out);
}
RowSums sum_weights(const float* w, std::int64_t n, const std::int32_t* classes) {
  return HWY_DYNAMIC_DISPATCH(sum_weights)(w, n, classes);
}
double sum_of_weights(const float* w, std::int64_t n) { return HWY_DYNAMIC_DISPATCH(sum_of_weights)(w, n); }
double sum_of_mixture(const float* w, float a, const float* v, float b, std::int64_t n) {
  return HWY_DYNAMIC_DISPATCH(sum_of_mixture)(w, a, v, b, n);
}
void add_exactly(const float* w, std::int64_t n, double* sums) {
  HWY_DYNAMIC_DISPATCH(add_exactly)(w, n, sums);
}
std::int64_t count_above(const float* w, std::int64_t n, float bound) {
  return HWY_DYNAMIC_DISPATCH(count_above)(w, n, bound);
}
std::int64_t largest_weights(const float* w, std::int64_t n, std::int64_t k, std::uint64_t* scratch,
                             std::int32_t* keys, float* weights) {
  return HWY_DYNAMIC_DISPATCH(largest_weights)(w, n, k, scratch, keys, weights);
}

}  // namespace refocus
#endif  // HWY_ONCE
