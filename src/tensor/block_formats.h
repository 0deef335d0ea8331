// ggml's block formats: their layout in memory, and plain scalar conversion from and to float32.
//
// The layouts are those of ggml-common.h (github.com/ggml-org/ggml), which GGUF files hold. Scales are IEEE
// half floats, kept as bits. Fast kernels have their own unpacking and are tested against these functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "tensor/dtype.h"

namespace refocus {

// x[i] = d * qs[i]
struct BlockQ8_0 {
  std::uint16_t d;
  std::int8_t qs[32];
};
static_assert(sizeof(BlockQ8_0) == block_bytes(DType::kQ8_0));

// x[i] = d * (q[i] - 8); q[i] is the low half of qs[i] for i < 16, the high half of qs[i - 16] otherwise
struct BlockQ4_0 {
  std::uint16_t d;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_0) == block_bytes(DType::kQ4_0));

// Eight sub-blocks s of 32: x = d * scale[s] * q - dmin * min[s]. Scales and mins have 6 bits each
// (unpack_scales_and_mins). Sub-blocks 2k and 2k + 1 are the low and the high halves of qs[32k .. 32k + 32).
struct BlockQ4_K {
  std::uint16_t d, dmin;
  std::uint8_t scales[12];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockQ4_K) == block_bytes(DType::kQ4_K));

// As Q4_K, with a fifth bit of each q: bit s of qh[i] belongs to element i of sub-block s.
struct BlockQ5_K {
  std::uint16_t d, dmin;
  std::uint8_t scales[12];
  std::uint8_t qh[32];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockQ5_K) == block_bytes(DType::kQ5_K));

// Sixteen sub-blocks s of 16: x = d * scales[s] * (q - 32). For each half of 128 elements, element 32g + i
// (g < 4) has its low four bits in ql[32 (g % 2) + i] (the low half for g < 2, the high half otherwise) and
// its upper two in bits 2g and 2g + 1 of qh[i].
struct BlockQ6_K {
  std::uint8_t ql[128];
  std::uint8_t qh[64];
  std::int8_t scales[16];
  std::uint16_t d;
};
static_assert(sizeof(BlockQ6_K) == block_bytes(DType::kQ6_K));

// The 6-bit scales and mins of Q4_K and Q5_K, [8] each. The first four of both have bytes of their own, whose
// upper two bits hold the upper bits of the other four.
void unpack_scales_and_mins(const std::uint8_t packed[12], std::uint8_t scales[8], std::uint8_t mins[8]);
void pack_scales_and_mins(const std::uint8_t scales[8], const std::uint8_t mins[8], std::uint8_t packed[12]);

// Writes `count` elements, whole blocks, as float32. Any type, any alignment of `from`.
void dequantize_row(DType type, const std::byte* from, float* to, std::int64_t count);

// A value that a type cannot hold: NaN, an infinity, or one that makes a block's scale overflow.
class QuantizeError : public std::runtime_error {
 public:
  QuantizeError(DType type, float value, std::int64_t index);
  std::int64_t index = 0;  // of the element within the row
};

// Writes `count` elements, whole blocks, as `type`. F16 and BF16 round to nearest even. Q8_0: d = max |x| /
// 127; Q4_0: d = the element of largest magnitude / -8 (both as ggml's reference). The K types search each
// sub-block's scale (and min) for the least weighted squared error, with the weights that ggml uses when it
// has no importance matrix. Throws QuantizeError; what was written before is then of no use.
void quantize_row(DType type, const float* from, std::byte* to, std::int64_t count);

// The first element of the row that is NaN or infinite, or -1.
std::int64_t first_non_finite(DType type, const std::byte* row, std::int64_t count);

}  // namespace refocus
