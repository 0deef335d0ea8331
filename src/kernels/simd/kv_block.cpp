// See kernels/kv_block.h.
#include "kernels/kv_block.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/matmul.h"
#include "tensor/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/kv_block.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace refocus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Writes x [size] as F16 to out[0], out[stride], ...
void store_f16(const float* x, std::int64_t size, hwy::float16_t* out, std::int64_t stride) {
#if HWY_TARGET > HWY_AVX2  // no instruction for it; Highway's own code there does not round to infinity
  for (std::int64_t i = 0; i < size; ++i) {
    const std::uint16_t bits = f32_to_f16(x[i]);
    std::memcpy(out + i * stride, &bits, 2);
  }
#else
  const hn::CappedTag<float, 16> d;
  const hn::Rebind<hwy::float16_t, decltype(d)> d16;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  alignas(64) float in[16] = {};
  alignas(64) hwy::float16_t narrow[16];
  for (std::int64_t i = 0; i < size; i += lanes) {
    const std::int64_t count = std::min(lanes, size - i);
    const bool whole = count == lanes;
    if (!whole) std::copy_n(x + i, count, in);
    const auto values = hn::DemoteTo(d16, whole ? hn::LoadU(d, x + i) : hn::Load(d, in));
    if (whole && stride == 1) {
      hn::StoreU(values, d16, out + i);
      continue;
    }
    hn::Store(values, d16, narrow);
    for (std::int64_t k = 0; k < count; ++k) out[(i + k) * stride] = narrow[k];
  }
#endif
}

// Writes x [size] in blocks of kKvScaleBlock: integers to out[0], out[stride], ..., and a scale of each block
// to scales[0], scales[kKeyBlock], ...
void store_q8(const float* x, std::int64_t size, std::int8_t* out, std::int64_t stride, float* scales) {
  const hn::CappedTag<float, 16> d;
  const hn::Rebind<std::int8_t, decltype(d)> d8;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  alignas(64) float in[kKvScaleBlock];
  alignas(64) std::int8_t narrow[kKvScaleBlock];
  for (std::int64_t first = 0; first < size; first += kKvScaleBlock, scales += kKeyBlock) {
    const std::int64_t count = std::min(kKvScaleBlock, size - first);
    std::fill(std::copy_n(x + first, count, in), in + kKvScaleBlock, 0.0f);
    auto largest = hn::Zero(d), other = largest;  // the second becomes NaN where a number is none
    for (std::int64_t i = 0; i < kKvScaleBlock; i += lanes) {
      const auto v = hn::Load(d, in + i);
      largest = hn::Max(largest, hn::Abs(v));
      other = hn::Add(other, hn::Mul(v, hn::Zero(d)));
    }
    const float scale = hn::GetLane(hn::MaxOfLanes(d, largest)) / 127 + hn::GetLane(hn::SumOfLanes(d, other));
    *scales = scale;
    const auto inverse = hn::Set(d, scale > 0 ? 1 / scale : 0.0f);
    for (std::int64_t i = 0; i < kKvScaleBlock; i += lanes) {
      const auto q = hn::NearestInt(hn::Mul(hn::Load(d, in + i), inverse));
      hn::Store(hn::DemoteTo(d8, q), d8, narrow + i);
    }
    for (std::int64_t i = 0; i < count; ++i) out[(first + i) * stride] = narrow[i];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(store_f16);
HWY_EXPORT(store_q8);
}  // namespace

std::int64_t kv_block_elements(std::int64_t head_dim) { return kKeyBlock * (head_dim + padded(head_dim)); }

std::int64_t kv_block_bytes(DType type, std::int64_t head_dim) {
  const std::int64_t elements = kv_block_elements(head_dim);
  if (type != DType::kQ8_0) return elements * static_cast<std::int64_t>(size_of(type));
  return elements + 2 * kv_scale_blocks(head_dim) * kKeyBlock * std::int64_t{sizeof(float)};
}

void store_key_and_value(DType type, std::byte* block, std::int64_t head_dim, std::int64_t slot,
                         const float* key, const float* value) {
  const std::int64_t value_at = head_dim * kKeyBlock + slot * padded(head_dim);
  if (type == DType::kF16) {
    auto* out = reinterpret_cast<hwy::float16_t*>(block);
    HWY_DYNAMIC_DISPATCH(store_f16)(key, head_dim, out + slot, kKeyBlock);
    HWY_DYNAMIC_DISPATCH(store_f16)(value, head_dim, out + value_at, 1);
    return;
  }
  if (type == DType::kQ8_0) {
    auto* out = reinterpret_cast<std::int8_t*>(block);
    auto* scales = reinterpret_cast<float*>(block + kv_block_elements(head_dim)) + slot;
    HWY_DYNAMIC_DISPATCH(store_q8)(key, head_dim, out + slot, kKeyBlock, scales);
    scales += kv_scale_blocks(head_dim) * kKeyBlock;
    HWY_DYNAMIC_DISPATCH(store_q8)(value, head_dim, out + value_at, 1, scales);
    return;
  }
  REFOCUS_CHECK(type == DType::kF32);
  auto* out = reinterpret_cast<float*>(block);
  for (std::int64_t d = 0; d < head_dim; ++d) out[d * kKeyBlock + slot] = key[d];
  std::copy_n(value, head_dim, out + value_at);
}

}  // namespace refocus
#endif  // HWY_ONCE
