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

}  // namespace HWY_NAMESPACE
}  // namespace refocus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace refocus {
namespace {
HWY_EXPORT(store_f16);
}  // namespace

std::int64_t kv_block_elements(std::int64_t head_dim) { return kKeyBlock * (head_dim + padded(head_dim)); }

void store_key_and_value(DType type, std::byte* block, std::int64_t head_dim, std::int64_t slot,
                         const float* key, const float* value) {
  const std::int64_t value_at = head_dim * kKeyBlock + slot * padded(head_dim);
  if (type == DType::kF16) {
    auto* out = reinterpret_cast<hwy::float16_t*>(block);
    HWY_DYNAMIC_DISPATCH(store_f16)(key, head_dim, out + slot, kKeyBlock);
    HWY_DYNAMIC_DISPATCH(store_f16)(value, head_dim, out + value_at, 1);
    return;
  }
  REFOCUS_CHECK(type == DType::kF32);
  auto* out = reinterpret_cast<float*>(block);
  for (std::int64_t d = 0; d < head_dim; ++d) out[d * kKeyBlock + slot] = key[d];
  std::copy_n(value, head_dim, out + value_at);
}

}  // namespace refocus
#endif  // HWY_ONCE
