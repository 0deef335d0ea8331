// Block formats to float32.
#include <algorithm>
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

void dequantize_row(DType type, const std::byte* from, float* to, std::int64_t count) {
  REFOCUS_CHECK(count % block_elements(type) == 0);
  switch (type) {
    case DType::kF32:
      if (count > 0) std::memcpy(to, from, static_cast<std::size_t>(count) * 4);
      return;
    case DType::kF16:
    case DType::kBF16:
      for (std::int64_t i = 0; i < count; ++i) {
        std::uint16_t bits;
        std::memcpy(&bits, from + 2 * i, 2);
        to[i] = type == DType::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
      }
      return;
    case DType::kQ8_0:
      return dequantize_blocks<BlockQ8_0>(from, to, count, 32);
    case DType::kQ4_0:
      return dequantize_blocks<BlockQ4_0>(from, to, count, 32);
    case DType::kQ4_K:
      return dequantize_blocks<BlockQ4_K>(from, to, count, 256);
    case DType::kQ5_K:
      return dequantize_blocks<BlockQ5_K>(from, to, count, 256);
    case DType::kQ6_K:
      return dequantize_blocks<BlockQ6_K>(from, to, count, 256);
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
