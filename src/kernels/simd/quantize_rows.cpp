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

// One row: q = round(x / scale) with scale = max |x| / 127 in each block. NaN and infinity make the scale NaN
// or infinite, so that broken weights are not hidden.
void quantize_row(const float* x, std::int64_t inputs, std::int8_t* q, float* scales, float* scaled_sums,
                  std::int32_t* half_sums) {
  const hn::CappedTag<float, 16> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::int8_t, decltype(d)> d8;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t b = 0; b < inputs / kQuantBlock; ++b, x += kQuantBlock, q += kQuantBlock) {
    auto most = hn::Zero(d), poison = hn::Zero(d);
    for (std::int64_t i = 0; i < kQuantBlock; i += lanes) {
      const auto v = hn::LoadU(d, x + i);
      most = hn::Max(most, hn::Abs(v));
      poison = hn::Add(poison, hn::Sub(v, v));  // 0, or NaN
    }
    const float amax = hn::GetLane(hn::MaxOfLanes(d, most)) + hn::GetLane(hn::SumOfLanes(d, poison));
    const float scale = amax / 127;
    const auto inverse = hn::Set(d, amax > 0 ? 127 / amax : 0.0f);
    std::int32_t sums[2] = {0, 0};
    for (std::int64_t i = 0; i < kQuantBlock; i += lanes) {
      const auto rounded = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), inverse));
      sums[i / (kQuantBlock / 2)] += hn::GetLane(hn::SumOfLanes(di, rounded));
      hn::StoreU(hn::DemoteTo(d8, rounded), d8, q + i);
    }
    scales[b] = scale;
    half_sums[2 * b] = sums[0];
    half_sums[2 * b + 1] = sums[1];
    scaled_sums[b] = scale * static_cast<float>(sums[0] + sums[1]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(quantize_row);

template <class T>
void grow(AlignedBuffer<T>& buffer, std::int64_t size) {
  if (buffer.size() < static_cast<std::size_t>(size))
    buffer = AlignedBuffer<T>(static_cast<std::size_t>(size));
}
}  // namespace

void quantize_rows(ThreadPool& pool, const float* x, std::int64_t x_stride, std::int64_t rows,
                   std::int64_t inputs, QuantizedRows& out) {
  REFOCUS_CHECK(inputs % kQuantBlock == 0);
  const std::int64_t blocks = inputs / kQuantBlock;
  out.rows = rows;
  out.inputs = inputs;
  grow(out.q, rows * inputs);
  grow(out.scales, rows * blocks);
  grow(out.scaled_sums, rows * blocks);
  grow(out.half_sums, rows * blocks * 2);
  pool.parallel_for(rows, [&](std::int64_t r, int) {
    HWY_DYNAMIC_DISPATCH(quantize_row)
    (x + r * x_stride, inputs, out.q.data() + r * inputs, out.scales.data() + r * blocks,
     out.scaled_sums.data() + r * blocks, out.half_sums.data() + r * blocks * 2);
  });
}

}  // namespace refocus
#endif
