// A block of the cache of keys and values: kKeyBlock positions of one key/value head of one layer.
//
// It holds K transposed, [head_dim, kKeyBlock], then V, [kKeyBlock, padded(head_dim)], zero beyond head_dim,
// in F32 or F16: lanes run along the keys where scores are computed and along head_dim where values are
// added. Or in int8, both as before, and then float32 scales of K and of V, [kv_scale_blocks(head_dim),
// kKeyBlock] each: that is called Q8_0, as each position's key or value is quantised as ggml's type of that
// name does it, but for the scale's type: kKvScaleBlock elements of head_dim share a scale, their largest
// magnitude / 127.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace refocus {

inline constexpr std::int64_t kKeyBlock = 32;

// Elements of one block of one key/value head.
std::int64_t kv_block_elements(std::int64_t head_dim);
inline constexpr std::int64_t kKvScaleBlock = 32;
constexpr std::int64_t kv_scale_blocks(std::int64_t head_dim) {
  return (head_dim + kKvScaleBlock - 1) / kKvScaleBlock;
}
// Bytes of the same.
std::int64_t kv_block_bytes(DType type, std::int64_t head_dim);
// Whether a cache may have this type: F32, F16 or Q8_0.
constexpr bool is_kv_type(DType type) {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kQ8_0;
}

// Writes one position's key and value, [head_dim] each, to place `slot` in [0, kKeyBlock) of a block. F16 is
// rounded to nearest even; what is beyond its range becomes infinity. Of Q8_0 a block with a number that is
// none has no number.
void store_key_and_value(DType type, std::byte* block, std::int64_t head_dim, std::int64_t slot,
                         const float* key, const float* value);

}  // namespace refocus
