// Block formats to float32.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/block_formats.h"
#include "tensor/half.h"

namespace refocus {

namespace {

void dequantize(const BlockQ8_0& block, float* to) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 32; ++i) to[i] = d * static_cast<float>(block.qs[i]);
}

void dequantize(const BlockQ4_0& block, float* to) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 16; ++i) {
    to[i] = d * static_cast<float>((block.qs[i] & 15) - 8);
    to[i + 16] = d * static_cast<float>((block.qs[i] >> 4) - 8);
  }
}

// q of a block of 32 whose halves lie in the low and the high halves of 16 bytes.
int half_of(const std::uint8_t* qs, int i) { return i < 16 ? qs[i] & 15 : qs[i - 16] >> 4; }

void dequantize(const BlockQ4_1& block, float* to) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int i = 0; i < 32; ++i) to[i] = d * static_cast<float>(half_of(block.qs, i)) + m;
}

// q of Q5_0 and Q5_1.
template <class Block>
int five_bits(const Block& block, int i) {
  return half_of(block.qs, i) | (block.qh[i / 8] >> (i % 8) & 1) << 4;
}

void dequantize(const BlockQ5_0& block, float* to) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 32; ++i) to[i] = d * static_cast<float>(five_bits(block, i) - 16);
}

void dequantize(const BlockQ5_1& block, float* to) {
  const float d = f16_to_f32(block.d), m = f16_to_f32(block.m);
  for (int i = 0; i < 32; ++i) to[i] = d * static_cast<float>(five_bits(block, i)) + m;
}

void dequantize(const BlockIQ4_NL& block, float* to) {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 32; ++i) to[i] = d * static_cast<float>(kIq4Values[half_of(block.qs, i)]);
}

void dequantize(const BlockMXFP4& block, float* to) {
  const float d = mxfp4_scale(block.e);
  for (int i = 0; i < 32; ++i) to[i] = d * static_cast<float>(kFp4Values[half_of(block.qs, i)]);
}

void dequantize(const BlockIQ4_XS& block, float* to) {
  const float d = f16_to_f32(block.d);
  for (int s = 0; s < 8; ++s) {
    const float scale = d * static_cast<float>(scale_of(block, s));
    for (int i = 0; i < 32; ++i) {
      to[32 * s + i] = scale * static_cast<float>(kIq4Values[half_of(block.qs + 16 * s, i)]);
    }
  }
}

// The two bits of element e of a Q2_K or Q3_K block.
int two_bits(const std::uint8_t* qs, int e) { return qs[e / 128 * 32 + e % 32] >> (e % 128 / 32 * 2) & 3; }

void dequantize(const BlockQ2_K& block, float* to) {
  const float d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
  for (int e = 0; e < 256; ++e) {
    const int scale = block.scales[e / 16] & 15, min = block.scales[e / 16] >> 4;
    to[e] = d * static_cast<float>(scale) * static_cast<float>(two_bits(block.qs, e)) -
            dmin * static_cast<float>(min);
  }
}

void dequantize(const BlockQ3_K& block, float* to) {
  const float d = f16_to_f32(block.d);
  std::int8_t scales[16];
  unpack_scales(block, scales);
  for (int e = 0; e < 256; ++e) {
    const int q = two_bits(block.qs, e) + (block.hmask[e % 32] >> (e / 32) & 1) * 4 - 4;
    to[e] = d * static_cast<float>(scales[e / 16]) * static_cast<float>(q);
  }
}

// The scale and the min of each sub-block of a Q4_K or Q5_K block, multiplied out.
template <class Block>
void scales_and_mins(const Block& block, float scale[8], float min[8]) {
  std::uint8_t scales[8], mins[8];
  unpack_scales_and_mins(block.scales, scales, mins);
  const float d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
  for (int s = 0; s < 8; ++s) {
    scale[s] = d * static_cast<float>(scales[s]);
    min[s] = dmin * static_cast<float>(mins[s]);
  }
}

int nibble(const std::uint8_t* qs, int s, int i) { return (qs[s / 2 * 32 + i] >> (s % 2 * 4)) & 15; }

void dequantize(const BlockQ4_K& block, float* to) {
  float scale[8], min[8];
  scales_and_mins(block, scale, min);
  for (int s = 0; s < 8; ++s) {
    for (int i = 0; i < 32; ++i) {
      to[32 * s + i] = scale[s] * static_cast<float>(nibble(block.qs, s, i)) - min[s];
    }
  }
}

void dequantize(const BlockQ5_K& block, float* to) {
  float scale[8], min[8];
  scales_and_mins(block, scale, min);
  for (int s = 0; s < 8; ++s) {
    for (int i = 0; i < 32; ++i) {
      const int q = nibble(block.qs, s, i) + ((block.qh[i] >> s) & 1) * 16;
      to[32 * s + i] = scale[s] * static_cast<float>(q) - min[s];
    }
  }
}

void dequantize(const BlockQ6_K& block, float* to) {
  const float d = f16_to_f32(block.d);
  for (int e = 0; e < 256; ++e) {
    const int half = e / 128, group = e % 128 / 32, i = e % 32;
    const int low = (block.ql[64 * half + group % 2 * 32 + i] >> (group / 2 * 4)) & 15;
    const int high = (block.qh[32 * half + i] >> (2 * group)) & 3;
    to[e] = d * static_cast<float>(block.scales[e / 16]) * static_cast<float>((low | (high << 4)) - 32);
  }
}

template <class Block>
void dequantize_blocks(const std::byte* from, float* to, std::int64_t count, std::int64_t elements) {
  for (std::int64_t i = 0; i < count; i += elements, from += sizeof(Block), to += elements) {
    Block block;
    std::memcpy(&block, from, sizeof block);
    dequantize(block, to);
  }
}

// Stored numbers of any alignment, one by one.
template <class Stored, class Convert>
void widen(const std::byte* from, float* to, std::int64_t count, const Convert& convert) {
  for (std::int64_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, from + static_cast<std::size_t>(i) * sizeof stored, sizeof stored);
    to[i] = convert(stored);
  }
}

void dequantize_scaled_ints(DType type, const std::byte* from, float* to, std::int64_t count) {
  const std::int64_t elements = block_elements(type);
  ScaledInts block;
  for (std::int64_t i = 0; i < count; i += elements, from += block_bytes(type), to += elements) {
    scaled_ints(type, from, block);
    for (std::int64_t e = 0; e < elements; ++e) to[e] = block.scales[e / 16] * static_cast<float>(block.q[e]);
  }
}

}  // namespace

void unpack_scales_and_mins(const std::uint8_t packed[12], std::uint8_t scales[8], std::uint8_t mins[8]) {
  for (int s = 0; s < 4; ++s) {
    scales[s] = packed[s] & 63;
    mins[s] = packed[s + 4] & 63;
    scales[s + 4] = static_cast<std::uint8_t>((packed[s + 8] & 15) | (packed[s] >> 6 << 4));
    mins[s + 4] = static_cast<std::uint8_t>((packed[s + 8] >> 4) | (packed[s + 4] >> 6 << 4));
  }
}

void pack_scales_and_mins(const std::uint8_t scales[8], const std::uint8_t mins[8], std::uint8_t packed[12]) {
  for (int s = 0; s < 4; ++s) {
    packed[s] = static_cast<std::uint8_t>(scales[s] | (scales[s + 4] >> 4 << 6));
    packed[s + 4] = static_cast<std::uint8_t>(mins[s] | (mins[s + 4] >> 4 << 6));
    packed[s + 8] = static_cast<std::uint8_t>((scales[s + 4] & 15) | (mins[s + 4] & 15) << 4);
  }
}

void unpack_scales(const BlockQ3_K& block, std::int8_t scales[16]) {
  for (int s = 0; s < 16; ++s) {
    const int low = block.scales[s % 8] >> (s / 8 * 4) & 15,
              high = block.scales[8 + s % 4] >> (s / 4 * 2) & 3;
    scales[s] = static_cast<std::int8_t>((low | high << 4) - 32);
  }
}

float mxfp4_scale(std::uint8_t e) {
  return std::bit_cast<float>(e < 2 ? std::uint32_t{0x00200000} << e : (std::uint32_t{e} - 1) << 23);
}

void dequantize_row(DType type, const std::byte* from, float* to, std::int64_t count) {
  REFOCUS_CHECK(count % block_elements(type) == 0);
  switch (type) {
    case DType::kF32:
      if (count > 0) std::memcpy(to, from, static_cast<std::size_t>(count) * 4);
      return;
    case DType::kF16:
      return widen<std::uint16_t>(from, to, count, f16_to_f32);
    case DType::kBF16:
      return widen<std::uint16_t>(from, to, count, bf16_to_f32);
    case DType::kF64:
      return widen<double>(from, to, count, [](double value) { return static_cast<float>(value); });
    case DType::kQ8_0:
      return dequantize_blocks<BlockQ8_0>(from, to, count, 32);
    case DType::kQ4_0:
      return dequantize_blocks<BlockQ4_0>(from, to, count, 32);
    case DType::kQ4_1:
      return dequantize_blocks<BlockQ4_1>(from, to, count, 32);
    case DType::kQ5_0:
      return dequantize_blocks<BlockQ5_0>(from, to, count, 32);
    case DType::kQ5_1:
      return dequantize_blocks<BlockQ5_1>(from, to, count, 32);
    case DType::kIQ4_NL:
      return dequantize_blocks<BlockIQ4_NL>(from, to, count, 32);
    case DType::kMXFP4:
      return dequantize_blocks<BlockMXFP4>(from, to, count, 32);
    case DType::kQ2_K:
      return dequantize_blocks<BlockQ2_K>(from, to, count, 256);
    case DType::kQ3_K:
      return dequantize_blocks<BlockQ3_K>(from, to, count, 256);
    case DType::kQ4_K:
      return dequantize_blocks<BlockQ4_K>(from, to, count, 256);
    case DType::kQ5_K:
      return dequantize_blocks<BlockQ5_K>(from, to, count, 256);
    case DType::kQ6_K:
      return dequantize_blocks<BlockQ6_K>(from, to, count, 256);
    case DType::kIQ4_XS:
      return dequantize_blocks<BlockIQ4_XS>(from, to, count, 256);
    default:
      return dequantize_scaled_ints(type, from, to, count);
  }
}

std::int64_t first_non_finite(DType type, const std::byte* row, std::int64_t count) {
  constexpr std::int64_t kChunk = 256;  // a multiple of every block
  float values[kChunk];
  for (std::int64_t start = 0; start < count; start += kChunk) {
    const std::int64_t n = std::min(kChunk, count - start);
    dequantize_row(type, row + bytes_of(type, start), values, n);
    for (std::int64_t i = 0; i < n; ++i) {
      if (!std::isfinite(values[i])) return start + i;
    }
  }
  return -1;
}

}  // namespace refocus
