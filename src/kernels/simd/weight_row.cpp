// See kernels/weight_row.h.
#include "kernels/weight_row.h"

#include <algorithm>
#include <cmath>
#include <numbers>

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

// x log x for x >= 0, the logarithm to about 1 unit in the last place; subnormal x count as the smallest
// normal number in it. The logarithm's base is what serves the instruction set best: times kLogOfBase it is
// natural.
#if HWY_TARGET <= HWY_AVX3
constexpr double kLogOfBase = std::numbers::ln2;
#else
constexpr double kLogOfBase = 1;
#endif
HWY_INLINE V x_log_x(V x) {
  const D d;
  const hn::RebindToSigned<D> di;
  const V normal = hn::BitCast(d, hn::Max(hn::BitCast(di, x), hn::Set(di, 0x00800000)));
#if HWY_TARGET <= HWY_AVX3
  return hn::Mul(x, log2_of_positive(d, normal));
#else
  return hn::Mul(x, log_of_positive(d, normal));
#endif
}

double lane_sum(V v) { return double{hn::GetLane(hn::SumOfLanes(D(), v))}; }

template <int kCount>
RowSums sum_classes(const float* w, std::int64_t n, const KeyClasses& classes) {
  const D d;
  const hn::RebindToSigned<D> di;
  RowSums out;
  double counted[kCount + 1] = {};
  for (std::int64_t first = 0; first < n; first += kSumBlock) {
    const std::int64_t end = std::min(first + kSumBlock, padded(n));
    V sum = hn::Zero(d), logs = hn::Zero(d), of_class[kCount + 1];
    for (V& v : of_class) v = hn::Zero(d);
    for (std::int64_t j = first; j < end; j += REFOCUS_LANES) {
      const V x = hn::LoadU(d, w + j);
      sum = hn::Add(sum, x);
      logs = hn::Add(logs, x_log_x(x));
      if constexpr (kCount > 0) {
        const auto c = hn::LoadU(di, classes.of_key + j);
        for (std::size_t k = 0; k < kCount; ++k) {
          const auto is_k = hn::RebindMask(d, hn::Eq(c, hn::Set(di, classes.counted[k])));
          of_class[k] = hn::Add(of_class[k], hn::IfThenElseZero(is_k, x));
        }
      }
    }
    out.sum += lane_sum(sum);
    out.w_log_w += lane_sum(logs) * kLogOfBase;
    for (std::size_t k = 0; k < kCount; ++k) counted[k] += lane_sum(of_class[k]);
  }
  double rest = out.sum;
  for (std::size_t k = 0; k < kCount; ++k) {
    out.of_class[static_cast<std::size_t>(classes.counted[k])] = counted[k];
    rest -= counted[k];
  }
  out.of_class[static_cast<std::size_t>(classes.rest)] = std::max(0.0, rest);
  return out;
}

RowSums sum_weights(const float* w, std::int64_t n, const KeyClasses& classes) {
  using Function = RowSums (*)(const float*, std::int64_t, const KeyClasses&);
  constexpr Function kOfCount[kKeyClasses] = {sum_classes<0>, sum_classes<1>, sum_classes<2>, sum_classes<3>,
                                              sum_classes<4>, sum_classes<5>, sum_classes<6>, sum_classes<7>};
  return kOfCount[classes.count](w, n, classes);
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

double sum_of_sizes(const float* w, std::int64_t n) {
  constexpr std::int64_t kParts = 16;
  const hn::CappedTag<double, 8> d;
  const hn::Rebind<float, decltype(d)> df;
  constexpr std::int64_t kLanes = hn::MaxLanes(d), kVectors = kParts / kLanes;
  hn::Vec<decltype(d)> sums[kVectors];
  for (auto& sum : sums) sum = hn::Zero(d);
  std::int64_t j = 0;
  for (; j + kParts <= n; j += kParts) {
#pragma GCC unroll 8
    for (std::int64_t v = 0; v < kVectors; ++v) {
      sums[v] = hn::Add(sums[v], hn::PromoteTo(d, hn::Abs(hn::LoadU(df, w + j + v * kLanes))));
    }
  }
  double parts[kParts];
  for (std::int64_t v = 0; v < kVectors; ++v) hn::StoreU(sums[v], d, parts + v * kLanes);
  for (std::int64_t k = 0; j + k < n; ++k) parts[k] += std::abs(double{w[j + k]});
  for (std::int64_t half = kParts / 2; half > 0; half /= 2) {
    for (std::int64_t k = 0; k < half; ++k) parts[k] += parts[k + half];
  }
  return parts[0];
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
    out += lane_sum(sum) * kLogOfBase;
  }
  return out;
}

void add_exactly(const float* w, std::int64_t n, double* sums, double unit) {
  // Numbers from 1.5 * 2^16 on have 2^-36 as their last place: adding that one and taking it away rounds.
  const hn::CappedTag<double, 8> d;
  const hn::Rebind<float, decltype(d)> df;
  const auto magic = hn::Set(d, 98304.0 * unit);
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t j = 0; j < n; j += lanes) {
    const auto x = hn::PromoteTo(d, hn::LoadU(df, w + j));
    hn::StoreU(hn::Add(hn::LoadU(d, sums + j), hn::Sub(hn::Add(x, magic), magic)), d, sums + j);
  }
}

bool any_negative(const float* w, std::int64_t n) {
  const D d;
  std::int64_t j = 0;
  V least = hn::Zero(d);
  for (; j + REFOCUS_LANES <= n; j += REFOCUS_LANES) least = hn::Min(least, hn::LoadU(d, w + j));
  bool any = hn::GetLane(hn::MinOfLanes(d, least)) < 0;
  for (; j < n; ++j) any |= w[j] < 0;
  return any;
}

void split_signs(const float* w, std::int64_t n, float* above, float* below, float* size) {
  const D d;
  const V zero = hn::Zero(d);
  for (std::int64_t j = 0; j < padded(n); j += REFOCUS_LANES) {
    const V x = hn::LoadU(d, w + j);
    hn::StoreU(hn::Max(x, zero), d, above + j);
    hn::StoreU(hn::Max(hn::Neg(x), zero), d, below + j);
    hn::StoreU(hn::Abs(x), d, size + j);
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

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(normalise_weights);
HWY_EXPORT(sum_weights);
HWY_EXPORT(sum_of_weights);
HWY_EXPORT(sum_of_sizes);
HWY_EXPORT(sum_of_mixture);
HWY_EXPORT(add_exactly);
HWY_EXPORT(any_negative);
HWY_EXPORT(split_signs);
HWY_EXPORT(count_above);
}  // namespace

void normalise_weights(const float* weights, float sum, std::int64_t n, float* out) {
  HWY_DYNAMIC_DISPATCH(normalise_weights)(weights, sum, n, out);
}
KeyClasses prepare_classes(const std::int32_t* of_key, std::int64_t n) {
  std::array<std::int64_t, kKeyClasses> keys = {};
  for (std::int64_t j = 0; j < n; ++j) ++keys[static_cast<std::size_t>(of_key[j])];
  KeyClasses out;
  out.of_key = of_key;
  out.rest = static_cast<std::int32_t>(std::max_element(keys.begin(), keys.end()) - keys.begin());
  for (std::int32_t c = 0; c < static_cast<std::int32_t>(kKeyClasses); ++c) {
    if (c != out.rest && keys[static_cast<std::size_t>(c)] > 0)
      out.counted[static_cast<std::size_t>(out.count++)] = c;
  }
  return out;
}

RowSums sum_weights(const float* w, std::int64_t n, const KeyClasses& classes) {
  return HWY_DYNAMIC_DISPATCH(sum_weights)(w, n, classes);
}
double sum_of_weights(const float* w, std::int64_t n) { return HWY_DYNAMIC_DISPATCH(sum_of_weights)(w, n); }
double sum_of_sizes(const float* w, std::int64_t n) { return HWY_DYNAMIC_DISPATCH(sum_of_sizes)(w, n); }
double sum_of_mixture(const float* w, float a, const float* v, float b, std::int64_t n) {
  return HWY_DYNAMIC_DISPATCH(sum_of_mixture)(w, a, v, b, n);
}
void add_exactly(const float* w, std::int64_t n, double* sums, double unit) {
  HWY_DYNAMIC_DISPATCH(add_exactly)(w, n, sums, unit);
}
bool any_negative(const float* w, std::int64_t n) { return HWY_DYNAMIC_DISPATCH(any_negative)(w, n); }
void split_signs(const float* w, std::int64_t n, float* above, float* below, float* size) {
  HWY_DYNAMIC_DISPATCH(split_signs)(w, n, above, below, size);
}
std::int64_t count_above(const float* w, std::int64_t n, float bound) {
  return HWY_DYNAMIC_DISPATCH(count_above)(w, n, bound);
}

}  // namespace refocus
#endif  // HWY_ONCE
