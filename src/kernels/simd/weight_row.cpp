// See kernels/weight_row.h.
#include "kernels/weight_row.h"

#include <algorithm>
#include <bit>
#include <cmath>
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

// Orders by size, then by falling key: sizes are not negative, so their bits have their order.
inline std::uint64_t rank_of(float size, std::int64_t key) {
  return std::uint64_t{std::bit_cast<std::uint32_t>(size)} << 32 |
         (0xFFFFFFFFu - static_cast<std::uint32_t>(key));
}
inline float size_of(std::uint64_t rank) {
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

void normalise_weights(const float* weights, float sum, std::int64_t n, float* out, const float* next) {
  const D d;
  if (sum == 0) return std::fill_n(out, padded(n), 0.0f), void();
  std::int64_t j = 0;
  for (; j + REFOCUS_LANES <= n; j += REFOCUS_LANES) {
    if (next != nullptr) __builtin_prefetch(next + j);
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
    out.w_log_w += lane_sum(logs);
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

// How many of `size` values (padded) are at least `bound`.
HWY_INLINE std::int64_t count_from(const float* x, std::int64_t size, float bound) {
  const D d;
  std::int64_t count = 0;
  for (std::int64_t j = 0; j < size; j += REFOCUS_LANES) {
    count += static_cast<std::int64_t>(hn::CountTrue(d, hn::Ge(hn::LoadU(d, x + j), hn::Set(d, bound))));
  }
  return count;
}

// A bound that the sizes of at least k weights reach, and as a rule few more. The largest of at least 4 k
// groups are looked at (or all): where k groups have a weight that reaches it, k weights do. Halves the
// range of the bits of such a bound, which are ordered as the numbers are. -1 where there are too few groups.
// `maxima`: [8 k + 32].
float lower_bound(const float* w, std::int64_t n, std::int64_t k, float* maxima) {
  const D d;
  const std::int64_t vectors = (n + REFOCUS_LANES - 1) / REFOCUS_LANES;
  const std::int64_t stripe = std::max<std::int64_t>(1, n / (4 * k));  // vectors whose lanes are groups
  std::int64_t groups = 0;
  V all = hn::Zero(d);
  for (std::int64_t first = 0; first < vectors; first += stripe, groups += REFOCUS_LANES) {
    V max = hn::Abs(hn::LoadU(d, w + first * REFOCUS_LANES));
    for (std::int64_t v = first + 1; v < std::min(first + stripe, vectors); ++v) {
      max = hn::Max(max, hn::Abs(hn::LoadU(d, w + v * REFOCUS_LANES)));
    }
    hn::StoreU(max, d, maxima + groups);
    all = hn::Max(all, max);
  }
  if (groups - REFOCUS_LANES < k) return -1;  // the last stripe may be short
  std::uint32_t low = 0, high = std::bit_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(d, all))) + 1;
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    const std::int64_t count = count_from(maxima, groups, std::bit_cast<float>(middle));
    low = count >= k ? middle : low;
    high = count >= k ? high : middle;
    if (static_cast<std::uint64_t>(count - k) <= static_cast<std::uint64_t>(k / 4)) break;
  }
  return std::bit_cast<float>(low);
}

// Puts `count` different ranks in falling order: each one's place is the number of larger ones. `ranks` has
// room for a vector more.
void sort_ranks(std::uint64_t* ranks, std::int64_t count, std::uint64_t* sorted) {
  const hn::CappedTag<std::int64_t, 8> d;  // no rank has its highest bit set
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto* const signed_ranks = reinterpret_cast<const std::int64_t*>(ranks);
  std::fill_n(ranks + count, lanes, 0);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto own = hn::Set(d, signed_ranks[i]);
    std::int64_t place = 0;
    for (std::int64_t j = 0; j < count; j += lanes) {
      place += static_cast<std::int64_t>(hn::CountTrue(d, hn::Gt(hn::LoadU(d, signed_ranks + j), own)));
    }
    sorted[place] = ranks[i];
  }
}

// Sizes of weights that exceed a bound, and their keys, from some key on.
struct Candidates {
  float* sizes;        // with room for a vector more
  std::int32_t* keys;  // the same
  std::int64_t count = 0;
};

using Keys = hn::Vec<hn::RebindToSigned<D>>;

// Appends those of a vector's sizes that exceed a bound, with their keys; returns how many there are then.
// What is beyond them may be written too.
HWY_INLINE std::int64_t append(V sizes, Keys keys, float bound, std::int64_t count, const Candidates& out) {
  const D d;
  const auto exceeds = hn::Gt(sizes, hn::Set(d, bound));
#if HWY_TARGET <= HWY_AVX3
  const hn::RebindToSigned<D> di;
  // Without branches: which vectors have one is as good as random.
  hn::StoreU(hn::Compress(sizes, exceeds), d, out.sizes + count);
  hn::StoreU(hn::Compress(keys, hn::RebindMask(di, exceeds)), di, out.keys + count);
  return count + static_cast<std::int64_t>(hn::CountTrue(d, exceeds));
#else
  // Where no instruction compresses, Highway 1.0.3 copies a table of 1 KB for each vector.
  if (hn::AllFalse(d, exceeds)) return count;
  HWY_ALIGN float lanes[16];
  std::uint8_t mask[8] = {};
  hn::Store(sizes, d, lanes);
  hn::StoreMaskBits(d, exceeds, mask);
  const std::int32_t first = hn::GetLane(keys);
  for (unsigned bits = mask[0] | unsigned{mask[1]} << 8; bits != 0; bits &= bits - 1, ++count) {
    const int lane = std::countr_zero(bits);
    out.sizes[count] = lanes[lane];
    out.keys[count] = first + lane;
  }
  return count;
#endif
}

// Gathers until there are `most` candidates or no more keys. Returns the next key.
std::int64_t gather(const float* w, std::int64_t n, std::int64_t j, float bound, std::int64_t most,
                    Candidates& out) {
  const hn::RebindToSigned<D> di;
  const Keys step = hn::Set(di, static_cast<std::int32_t>(REFOCUS_LANES));
  Keys keys = hn::Iota(di, static_cast<std::int32_t>(j));
  std::int64_t count = 0;
  for (; j < n && count < most; j += REFOCUS_LANES) {
    count = append(hn::Abs(hn::LoadU(D(), w + j)), keys, bound, count, out);
    keys = hn::Add(keys, step);
  }
  // Zeros beyond n exceed a bound below 0.
  while (count > 0 && out.keys[count - 1] >= n) --count;
  out.count = count;
  return j;
}

// Weights that reach a lower bound are gathered. Should there be too many, all but the k largest go, and what
// does not exceed the k-th of them is passed over from there on: it comes later, so it would lose a tie.
std::int64_t largest_weights(const float* w, std::int64_t n, std::int64_t k, std::uint64_t* scratch,
                             std::int32_t* keys, float* weights) {
  const std::int64_t most = 2 * k + 32, half = most + 40;
  std::uint64_t* const sorted = scratch + half;  // candidates lie there until they are ranked
  float bound = std::nextafter(lower_bound(w, n, k, reinterpret_cast<float*>(scratch)), -1.0f);
  std::int64_t count = 0;
  for (std::int64_t j = 0; j < n;) {
    Candidates found{reinterpret_cast<float*>(sorted), reinterpret_cast<std::int32_t*>(sorted) + half};
    j = gather(w, n, j, bound, most - count, found);
    for (std::int64_t i = 0; i < found.count; ++i)
      scratch[count + i] = rank_of(found.sizes[i], found.keys[i]);
    count += found.count;
    if (j >= n || count < most) continue;
    std::nth_element(scratch, scratch + k - 1, scratch + count, std::greater<>());
    count = k;
    bound = size_of(scratch[k - 1]);
  }
  sort_ranks(scratch, count, sorted);
  count = std::min(count, k);
  for (std::int64_t i = 0; i < count; ++i) {
    keys[i] = static_cast<std::int32_t>(0xFFFFFFFFu - static_cast<std::uint32_t>(sorted[i]));
    weights[i] = w[keys[i]];
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
HWY_EXPORT(any_negative);
HWY_EXPORT(split_signs);
HWY_EXPORT(count_above);
HWY_EXPORT(largest_weights);
}  // namespace

void normalise_weights(const float* weights, float sum, std::int64_t n, float* out, const float* next) {
  HWY_DYNAMIC_DISPATCH(normalise_weights)(weights, sum, n, out, next);
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
std::int64_t largest_weights(const float* w, std::int64_t n, std::int64_t k, std::uint64_t* scratch,
                             std::int32_t* keys, float* weights) {
  return HWY_DYNAMIC_DISPATCH(largest_weights)(w, n, k, scratch, keys, weights);
}

}  // namespace refocus
#endif  // HWY_ONCE
