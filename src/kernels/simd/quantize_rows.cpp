// Activations to int8; see kernels/packed_matmul.h.
#include <algorithm>

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

// The sum of 16 signed bytes.
HWY_INLINE std::int32_t sum_of_16(const std::int8_t* q) {
  const hn::FixedTag<std::uint8_t, 16> d8;
  const hn::Repartition<std::uint64_t, decltype(d8)> d64;
  const auto offset = hn::Xor(hn::LoadU(d8, reinterpret_cast<const std::uint8_t*>(q)), hn::Set(d8, 0x80));
  const auto sums = hn::SumsOf8(offset);  // of q + 128
  const auto both = hn::Add(sums, hn::Reverse2(d64, sums));
  return static_cast<std::int32_t>(hn::GetLane(both)) - 16 * 128;
}

// One block: q = round(x / scale) with scale = max |x| / 127. The maximum is taken of the floats' bits, among
// which infinity and NaN are the largest: they make the scale infinite or NaN, so broken weights are not
// hidden.
HWY_INLINE void quantize_block(const float* x, QuantizedBlock& out) {
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::int8_t, decltype(d)> d8;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto most = hn::Zero(di);
  for (std::int64_t i = 0; i < kQuantBlock; i += lanes) {
    most = hn::Max(most, hn::BitCast(di, hn::Abs(hn::LoadU(d, x + i))));
  }
  const float amax = hn::GetLane(hn::BitCast(d, hn::MaxOfLanes(di, most)));
  const auto inverse = hn::Set(d, amax > 0 ? 127 / amax : 0.0f);
  for (std::int64_t i = 0; i < kQuantBlock; i += lanes) {
    const auto rounded = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), inverse));
    hn::StoreU(hn::DemoteTo(d8, rounded), d8, out.q + i);
  }
  const std::int32_t low = sum_of_16(out.q), high = sum_of_16(out.q + 16);
  out.scale = amax / 127;
  out.scaled_sum = out.scale * static_cast<float>(low + high);
  out.eight_less = -8 * (low + high);
  out.half_sums[0] = static_cast<std::int16_t>(low);
  out.half_sums[1] = static_cast<std::int16_t>(high);
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
  const std::int64_t count = inputs / kQuantBlock;
  alignas(64) float left[kQuantBlock];
  for (std::int64_t b = 0; b < count; ++b, x += kQuantBlock) {
    quantize_block(x, blocks[b]);
    if (parts == Int8Parts::kOne) continue;
    leave(x, blocks[b], left);
    quantize_block(left, blocks[count + b]);
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
