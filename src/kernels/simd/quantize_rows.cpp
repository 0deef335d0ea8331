// Activations to int8; see kernels/packed_matmul.h.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/error.h"
#include "kernels/packed_matmul.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/quantize_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// What a block needs once, vectors compute for four blocks.
constexpr std::int64_t kFour = 4;
using Floats = hn::FixedTag<float, kFour>;
using Ints = hn::FixedTag<std::int32_t, kFour>;
using Longs = hn::RepartitionToWide<Ints>;

// Each step is taken for as many blocks before the next: the steps of one block wait for each other.
constexpr std::int64_t kTogether = 4 * kFour;

// The largest of each 4 lanes that are a multiple of 4 apart.
template <class DI>
HWY_INLINE hn::Vec<Ints> fold(DI di, hn::Vec<DI> v) {
  if constexpr (hn::MaxLanes(di) == kFour) {
    return v;
  } else {
    const hn::Half<DI> half;
    return fold(half, hn::Max(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

// Lane b of out[i] is lane i of vector b of a, b, c, e.
HWY_INLINE void turn(hn::Vec<Ints> a, hn::Vec<Ints> b, hn::Vec<Ints> c, hn::Vec<Ints> e, hn::Vec<Ints>* out) {
  const Ints d;
  const Longs d64;
  const auto ab = hn::BitCast(d64, hn::InterleaveLower(d, a, b));
  const auto ce = hn::BitCast(d64, hn::InterleaveLower(d, c, e));
  out[0] = hn::BitCast(d, hn::InterleaveLower(d64, ab, ce));
  out[1] = hn::BitCast(d, hn::InterleaveUpper(d64, ab, ce));
  const auto last_ab = hn::BitCast(d64, hn::InterleaveUpper(d, a, b));
  const auto last_ce = hn::BitCast(d64, hn::InterleaveUpper(d, c, e));
  out[2] = hn::BitCast(d, hn::InterleaveLower(d64, last_ab, last_ce));
  out[3] = hn::BitCast(d, hn::InterleaveUpper(d64, last_ab, last_ce));
}

// Four blocks' scales, max |x| / 127, and 127 / max |x| or 0; where there are fewer, the last block counts
// for the others. The maximum is taken of the floats' bits, among which infinity and NaN are the largest:
// they make the scale infinite or NaN, so broken weights are not hidden.
HWY_INLINE void find_scales(const float* x, std::int64_t count, float* scales, float* inverses) {
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> di;
  hn::Vec<Ints> of_block[kFour], turned[kFour];
  HWY_UNROLL(4)
  for (std::int64_t b = 0; b < kFour; ++b) {
    const float* block = x + std::min(b, count - 1) * kQuantBlock;
    auto most = hn::Zero(di);
    for (std::int64_t i = 0; i < kQuantBlock; i += static_cast<std::int64_t>(hn::Lanes(d))) {
      most = hn::Max(most, hn::BitCast(di, hn::Abs(hn::LoadU(d, block + i))));
    }
    of_block[b] = fold(di, most);
  }
  turn(of_block[0], of_block[1], of_block[2], of_block[3], turned);
  const Floats four;
  const auto largest = hn::Max(hn::Max(turned[0], turned[1]), hn::Max(turned[2], turned[3]));
  const auto amax = hn::BitCast(four, largest), most = hn::Set(four, 127.0f);
  hn::Store(hn::Div(amax, most), four, scales);
  hn::Store(hn::IfThenElseZero(hn::Gt(amax, hn::Zero(four)), hn::Div(most, amax)), four, inverses);
}

// q = round(x * inverse), at most 127 in size: the last bits of a sum with a number so large that its last
// place is 1.
HWY_INLINE void round_block(const float* x, float inverse, std::int8_t* q) {
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::int8_t, decltype(d)> d8;
  const auto large = hn::Set(d, 0x1.8p23f);
  for (std::int64_t i = 0; i < kQuantBlock; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto sum = hn::Add(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, inverse)), large);
    hn::StoreU(hn::DemoteTo(d8, hn::Sub(hn::BitCast(di, sum), hn::BitCast(di, large))), d8, q + i);
  }
}

// The sums of the first and of the last 16 of 32 signed bytes, in lanes 0 and 2 (0 or -1 in the others).
HWY_INLINE hn::Vec<Ints> sums_of_halves(const std::int8_t* q) {
  const hn::FixedTag<std::uint8_t, 16> d8;
  const hn::Repartition<std::uint64_t, decltype(d8)> d64;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(q);
  const auto offset = hn::Set(d8, 0x80);
  const auto first = hn::SumsOf8(hn::Xor(hn::LoadU(d8, bytes), offset));  // of q + 128
  const auto last = hn::SumsOf8(hn::Xor(hn::LoadU(d8, bytes + 16), offset));
  const auto both = hn::Add(hn::InterleaveLower(d64, first, last), hn::InterleaveUpper(d64, first, last));
  return hn::BitCast(Ints(), hn::Sub(both, hn::Set(d64, 16 * 128)));
}

// What follows the quants of `count` blocks, at most four.
HWY_INLINE void finish_blocks(const float* scales, std::int64_t count, QuantizedBlock* blocks) {
  const Ints d;
  hn::Vec<Ints> sums[kFour], turned[kFour];
  for (std::int64_t b = 0; b < kFour; ++b) sums[b] = sums_of_halves(blocks[std::min(b, count - 1)].q);
  turn(sums[0], sums[1], sums[2], sums[3], turned);
  const auto low = turned[0], high = turned[2], sum = hn::Add(low, high);
  const auto scale = hn::Load(Floats(), scales);
  const auto scaled_sum = hn::Mul(scale, hn::ConvertTo(Floats(), sum));
  const auto halves = hn::Or(hn::And(low, hn::Set(d, 0xFFFF)), hn::ShiftLeft<16>(high));
  hn::Vec<Ints> after[kFour];
  turn(hn::BitCast(d, scale), hn::BitCast(d, scaled_sum), hn::Neg(hn::ShiftLeft<3>(sum)), halves, after);
  alignas(16) std::int32_t lanes[kFour][kFour];
  for (std::int64_t b = 0; b < kFour; ++b) hn::Store(after[b], d, lanes[b]);
  constexpr std::size_t kPlace = offsetof(QuantizedBlock, scale);
  static_assert(offsetof(QuantizedBlock, half_sums) == kPlace + 3 * sizeof(std::int32_t));
  for (std::int64_t b = 0; b < count; ++b) {
    std::memcpy(reinterpret_cast<std::byte*>(blocks + b) + kPlace, lanes[b], sizeof(lanes[b]));
  }
}

// Blocks [0, count) of x, at most kTogether.
HWY_INLINE void quantize_blocks(const float* x, std::int64_t count, QuantizedBlock* blocks) {
  alignas(64) float scales[kTogether], inverses[kTogether];
  for (std::int64_t b = 0; b < count; b += kFour)
    find_scales(x + b * kQuantBlock, count - b, scales + b, inverses + b);
  for (std::int64_t b = 0; b < count; ++b) round_block(x + b * kQuantBlock, inverses[b], blocks[b].q);
  for (std::int64_t b = 0; b < count; b += kFour)
    finish_blocks(scales + b, std::min(kFour, count - b), blocks + b);
}

// What a block leaves of x: x - scale * q, rounded once where multiply-add is fused.
HWY_INLINE void leave(const float* x, const QuantizedBlock& block, float* left) {
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::int8_t, decltype(d)> d8;
  const auto scale = hn::Set(d, block.scale);
  for (std::int64_t i = 0; i < kQuantBlock; i += static_cast<std::int64_t>(hn::Lanes(d))) {
    const auto q = hn::ConvertTo(d, hn::PromoteTo(di, hn::LoadU(d8, block.q + i)));
    hn::StoreU(hn::NegMulAdd(scale, q, hn::LoadU(d, x + i)), d, left + i);
  }
}

void quantize_row(const float* x, std::int64_t inputs, Int8Parts parts, QuantizedBlock* blocks) {
  const std::int64_t all = inputs / kQuantBlock;
  for (std::int64_t first = 0; first < all; first += kTogether, x += kTogether * kQuantBlock) {
    const std::int64_t count = std::min(kTogether, all - first);
    quantize_blocks(x, count, blocks + first);
    if (parts == Int8Parts::kOne) continue;
    alignas(64) float left[kTogether * kQuantBlock];
    for (std::int64_t b = 0; b < count; ++b) {
      leave(x + b * kQuantBlock, blocks[first + b], left + b * kQuantBlock);
    }
    quantize_blocks(left, count, blocks + all + first);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(quantize_row);
}

void quantize_row(const float* x, std::int64_t inputs, Int8Parts parts, QuantizedBlock* blocks) {
  HWY_DYNAMIC_DISPATCH(quantize_row)(x, inputs, parts, blocks);
}

void resize(QuantizedRows& rows, std::int64_t count, std::int64_t inputs, Int8Parts parts) {
  REFOCUS_CHECK(inputs % kQuantBlock == 0);
  rows.rows = count;
  rows.inputs = inputs;
  rows.parts = parts;
  const auto blocks = static_cast<std::size_t>(count * rows.part_count() * (inputs / kQuantBlock));
  if (rows.blocks.size() < blocks) rows.blocks = AlignedBuffer<QuantizedBlock>(blocks);
}

void quantize_rows(ThreadPool& pool, const float* x, std::int64_t x_stride, std::int64_t rows,
                   std::int64_t inputs, Int8Parts parts, QuantizedRows& out) {
  resize(out, rows, inputs, parts);
  pool.parallel_for(rows,
                    [&](std::int64_t r, int) { quantize_row(x + r * x_stride, inputs, parts, out.row(r)); });
}

}  // namespace refocus
#endif
