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

// x[i] = d * q[i] + m, q as in Q4_0
struct BlockQ4_1 {
  std::uint16_t d, m;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_1) == block_bytes(DType::kQ4_1));

// x[i] = d * (q[i] - 16): the low four bits of q as in Q4_0, the fifth is bit i of qh (little-endian).
struct BlockQ5_0 {
  std::uint16_t d;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_0) == block_bytes(DType::kQ5_0));

// x[i] = d * q[i] + m, q as in Q5_0
struct BlockQ5_1 {
  std::uint16_t d, m;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_1) == block_bytes(DType::kQ5_1));

// Sixteen sub-blocks s of 16: x = d * (scales[s] & 15) * q - dmin * (scales[s] >> 4). For each half of 128
// elements, element 32g + i (g < 4) has its q in bits 2g and 2g + 1 of qs[i].
struct BlockQ2_K {
  std::uint8_t scales[16];
  std::uint8_t qs[64];
  std::uint16_t d, dmin;
};
static_assert(sizeof(BlockQ2_K) == block_bytes(DType::kQ2_K));

// x = d * (scale[s] - 32) * (q - 4), with the low two bits of q as in Q2_K, and as the third, of element
// 32b + i, bit b of hmask[i]. The 6-bit scales: low four bits of scale s in the low (s < 8) or high half of
// scales[s % 8], the upper two in bits 2 (s / 4) and one more of scales[8 + s % 4].
struct BlockQ3_K {
  std::uint8_t hmask[32];
  std::uint8_t qs[64];
  std::uint8_t scales[12];
  std::uint16_t d;
};
static_assert(sizeof(BlockQ3_K) == block_bytes(DType::kQ3_K));

// The sixteen scales of a Q3_K block, from -32 to 31.
void unpack_scales(const BlockQ3_K& block, std::int8_t scales[16]);

// x[i] = d * kIq4Values[q[i]], q as in Q4_0
struct BlockIQ4_NL {
  std::uint16_t d;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockIQ4_NL) == block_bytes(DType::kIQ4_NL));
inline constexpr std::int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};

// Eight sub-blocks s of 32, each as IQ4_NL with d * scale[s]: the low four bits of scale[s] + 32 in the low
// (even s) or high half of scales_l[s / 2], the upper two in bits 2s and 2s + 1 of scales_h.
struct BlockIQ4_XS {
  std::uint16_t d, scales_h;
  std::uint8_t scales_l[4];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockIQ4_XS) == block_bytes(DType::kIQ4_XS));
constexpr int scale_of(const BlockIQ4_XS& block, int s) {
  return ((block.scales_l[s / 2] >> (s % 2 * 4) & 15) | (block.scales_h >> (2 * s) & 3) << 4) - 32;
}

// x[i] = 2^(e - 128) * kFp4Values[q[i]], q as in Q4_0: OCP's MXFP4, whose values are kept doubled here.
struct BlockMXFP4 {
  std::uint8_t e;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockMXFP4) == block_bytes(DType::kMXFP4));
inline constexpr std::int8_t kFp4Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
// 2^(e - 128); exact, also as the upper 16 bits of the float32 (BF16).
float mxfp4_scale(std::uint8_t e);

// Block types beyond these - IQ1, IQ2, IQ3, NVFP4, TQ1_0, TQ2_0 - in one form that holds every one of their
// values exactly: x[i] = scales[i / 16] * q[i].
struct ScaledInts {
  std::int8_t q[256];
  float scales[16];
};
constexpr bool has_scaled_ints(DType type) {
  switch (type) {
    case DType::kIQ1_S:
    case DType::kIQ1_M:
    case DType::kIQ2_XXS:
    case DType::kIQ2_XS:
    case DType::kIQ2_S:
    case DType::kIQ3_XXS:
    case DType::kIQ3_S:
    case DType::kNVFP4:
    case DType::kTQ1_0:
    case DType::kTQ2_0:
      return true;
    default:
      return false;
  }
}
// One block, of any alignment; fills the first block_elements(type) of q. The type must have the form.
void scaled_ints(DType type, const std::byte* block, ScaledInts& out);

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

// Writes `count` elements, whole blocks, as `type`, one that is_written. F16 and BF16 round to nearest even.
// Q8_0: d = max |x| / 127; Q4_0: d = the element of largest magnitude / -8 (both as ggml's reference). The K
// types search each sub-block's scale (and min) for the least weighted squared error, with the weights that
// ggml uses when it has no importance matrix. Throws QuantizeError; what was written before is then of no
// use.
void quantize_row(DType type, const float* from, std::byte* to, std::int64_t count);

// The first element of the row that is NaN or infinite, or -1.
std::int64_t first_non_finite(DType type, const std::byte* row, std::int64_t count);

}  // namespace refocus
