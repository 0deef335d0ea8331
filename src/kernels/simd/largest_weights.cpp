// The largest weights of a row; see kernels/weight_row.h.
#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "kernels/matmul.h"
#include "kernels/weight_row.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/largest_weights.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef REFOCUS_LARGEST_WEIGHTS_SHARED
#define REFOCUS_LARGEST_WEIGHTS_SHARED
namespace refocus {
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
  float* sizes;        // with room for the three vectors of find_places more
  std::int32_t* keys;  // with room for a vector more
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

// The place of each of `count` sizes in falling order, the number of larger ones, counted for three vectors
// of them together; `sizes` and `places` have room for as many more. False where two sizes are equal.
bool find_places(const float* sizes, std::int64_t count, std::int32_t* places) {
  const D d;
  const hn::RebindToSigned<D> di;
  const Keys one = hn::Set(di, 1);
  std::int64_t all = 0;
  for (std::int64_t i = 0; i < count; i += 3 * REFOCUS_LANES) {
    const V a = hn::LoadU(d, sizes + i), b = hn::LoadU(d, sizes + i + REFOCUS_LANES),
            c = hn::LoadU(d, sizes + i + 2 * REFOCUS_LANES);
    Keys before_a = hn::Zero(di), before_b = hn::Zero(di), before_c = hn::Zero(di);
    for (std::int64_t j = 0; j < count; ++j) {
      const V other = hn::Set(d, sizes[j]);
      before_a = hn::IfThenElse(hn::RebindMask(di, hn::Gt(other, a)), hn::Add(before_a, one), before_a);
      before_b = hn::IfThenElse(hn::RebindMask(di, hn::Gt(other, b)), hn::Add(before_b, one), before_b);
      before_c = hn::IfThenElse(hn::RebindMask(di, hn::Gt(other, c)), hn::Add(before_c, one), before_c);
    }
    hn::StoreU(before_a, di, places + i);
    hn::StoreU(before_b, di, places + i + REFOCUS_LANES);
    hn::StoreU(before_c, di, places + i + 2 * REFOCUS_LANES);
  }
  for (std::int64_t i = 0; i < count; ++i) all += places[i];
  return all == count * (count - 1) / 2;  // equal ones leave places free
}

// Weights that reach a lower bound are gathered. Should there be too many, all but the k largest go, and what
// does not exceed the k-th of them is passed over from there on: it comes later, so it would lose a tie.
std::int64_t largest_weights(const float* w, std::int64_t n, std::int64_t k, std::uint64_t* scratch,
                             std::int32_t* keys, float* weights) {
  const std::int64_t most = 2 * k + 32, half = most + 64;
  std::uint64_t* const sorted = scratch + half;  // candidates lie there until they are ranked
  float bound = std::nextafter(lower_bound(w, n, k, reinterpret_cast<float*>(scratch)), -1.0f);
  std::int64_t count = 0;
  for (std::int64_t j = 0; j < n;) {
    Candidates found{reinterpret_cast<float*>(sorted), reinterpret_cast<std::int32_t*>(sorted) + half};
    j = gather(w, n, j, bound, most - count, found);
    auto* const places = reinterpret_cast<std::int32_t*>(scratch);
    if (count == 0 && j >= n && find_places(found.sizes, found.count, places)) {
      std::int32_t* const ordered = places + half;
      for (std::int64_t i = 0; i < found.count; ++i) ordered[places[i]] = found.keys[i];
      count = std::min(found.count, k);
      std::copy_n(ordered, count, keys);
      for (std::int64_t i = 0; i < count; ++i) weights[i] = w[keys[i]];
      return count;
    }
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
HWY_EXPORT(largest_weights);
}  // namespace

std::int64_t largest_weights(const float* w, std::int64_t n, std::int64_t k, std::uint64_t* scratch,
                             std::int32_t* keys, float* weights) {
  return HWY_DYNAMIC_DISPATCH(largest_weights)(w, n, k, scratch, keys, weights);
}

}  // namespace refocus
#endif  // HWY_ONCE
