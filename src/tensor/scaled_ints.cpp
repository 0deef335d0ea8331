// The block formats of ggml that spend few bits an element, as small integers with a scale for each 16.
//
// IQ1 to IQ3 name entries of a codebook (iq_grids.h) by an index, with signs beside; NVFP4 holds floats of 4
// bits under a float of 8; TQ1_0 and TQ2_0 hold -1, 0 and 1. Layouts: ggml-common.h.
#include <cmath>
#include <cstring>

#include "tensor/block_formats.h"
#include "tensor/half.h"
#include "tensor/iq_grids.h"

namespace refocus {

namespace {

// Eight signs by 7 bits: bit 7, the last sign, makes the number of minus signs even.
int eight_signs(std::uint32_t index) {
  const auto seven = static_cast<int>(index & 127);
  return seven | (__builtin_popcount(static_cast<unsigned>(seven)) & 1) << 7;
}

// `count` elements of a codebook's entry `index`, those negative whose bit of `signs` is set.
void put_entry(const std::int8_t* grid, int index, int count, int signs, std::int8_t* to) {
  const std::int8_t* entry = grid + static_cast<std::ptrdiff_t>(index) * count;
  for (int i = 0; i < count; ++i) {
    to[i] = static_cast<std::int8_t>((signs >> i & 1) != 0 ? -entry[i] : entry[i]);
  }
}

// IQ2 types: d (1/2 + n) / 4 with a 4-bit n.
float quarter_scale(float d, int n) { return d * (0.5f + static_cast<float>(n)) * 0.25f; }

// Eight groups of 32, 8 bytes each: four indices of a byte, then 32 bits with four times 7 bits of signs and
// the scale in the upper four.
struct BlockIQ2_XXS {
  std::uint16_t d;
  std::uint8_t groups[8][8];
};

void unpack(const BlockIQ2_XXS& block, const std::int8_t* grid, ScaledInts& out) {
  const float d = f16_to_f32(block.d);
  for (int g = 0; g < 8; ++g) {
    std::uint32_t rest;
    std::memcpy(&rest, block.groups[g] + 4, 4);
    for (int k = 0; k < 4; ++k) {
      put_entry(grid, block.groups[g][k], 8, eight_signs(rest >> (7 * k)), out.q + 32 * g + 8 * k);
    }
    out.scales[2 * g] = out.scales[2 * g + 1] = quarter_scale(d, static_cast<int>(rest >> 28));
  }
}

// 16 bits for each 8 elements: 9 of the index, 7 of signs. Scales of 4 bits for each 16 elements.
struct BlockIQ2_XS {
  std::uint16_t d;
  std::uint16_t qs[32];
  std::uint8_t scales[8];
};

void unpack(const BlockIQ2_XS& block, const std::int8_t* grid, ScaledInts& out) {
  const float d = f16_to_f32(block.d);
  for (int k = 0; k < 32; ++k) {
    put_entry(grid, block.qs[k] & 511, 8, eight_signs(std::uint32_t{block.qs[k]} >> 9), out.q + 8 * k);
  }
  for (int s = 0; s < 16; ++s) out.scales[s] = quarter_scale(d, block.scales[s / 2] >> (s % 2 * 4) & 15);
}

// The index's low 8 bits, 8 signs, and its upper 2 bits, for each 8 elements; scales as in IQ2_XS.
struct BlockIQ2_S {
  std::uint16_t d;
  std::uint8_t qs[32], signs[32], qh[8], scales[8];
};

void unpack(const BlockIQ2_S& block, const std::int8_t* grid, ScaledInts& out) {
  const float d = f16_to_f32(block.d);
  for (int k = 0; k < 32; ++k) {
    const int index = block.qs[k] | (block.qh[k / 4] >> (k % 4 * 2) & 3) << 8;
    put_entry(grid, index, 8, block.signs[k], out.q + 8 * k);
  }
  for (int s = 0; s < 16; ++s) out.scales[s] = quarter_scale(d, block.scales[s / 2] >> (s % 2 * 4) & 15);
}

// A byte of index for each 4 elements; then for each 32 elements 32 bits as IQ2_XXS has them.
struct BlockIQ3_XXS {
  std::uint16_t d;
  std::uint8_t qs[64];
  std::uint8_t groups[8][4];
};

void unpack(const BlockIQ3_XXS& block, const std::int8_t* grid, ScaledInts& out) {
  const float d = f16_to_f32(block.d);
  for (int g = 0; g < 8; ++g) {
    std::uint32_t rest;
    std::memcpy(&rest, block.groups[g], 4);
    for (int k = 0; k < 8; ++k) {
      const int signs = eight_signs(rest >> (7 * (k / 2))) >> (k % 2 * 4);
      put_entry(grid, block.qs[8 * g + k], 4, signs, out.q + 32 * g + 4 * k);
    }
    out.scales[2 * g] = out.scales[2 * g + 1] = d * (0.5f + static_cast<float>(rest >> 28)) * 0.5f;
  }
}

// The index's low 8 bits and its ninth for each 4 elements, a sign each, and d (1 + 2n) with 4 bits for each
// 32 elements.
struct BlockIQ3_S {
  std::uint16_t d;
  std::uint8_t qs[64], qh[8], signs[32], scales[4];
};

void unpack(const BlockIQ3_S& block, const std::int8_t* grid, ScaledInts& out) {
  const float d = f16_to_f32(block.d);
  for (int k = 0; k < 64; ++k) {
    const int index = block.qs[k] | (block.qh[k / 8] >> (k % 8) & 1) << 8;
    put_entry(grid, index, 4, block.signs[k / 2] >> (k % 2 * 4), out.q + 4 * k);
  }
  for (int s = 0; s < 16; ++s) {
    const int n = block.scales[s / 4] >> (s / 2 % 2 * 4) & 15;
    out.scales[s] = d * static_cast<float>(1 + 2 * n);
  }
}

// Entries of IQ1: x = scale * (entry + or - 1/8), so eight times that is an integer.
void put_eighths(const std::int8_t* grid, int index, bool below, std::int8_t* to) {
  for (int i = 0; i < 8; ++i) to[i] = static_cast<std::int8_t>(8 * grid[8 * index + i] + (below ? -1 : 1));
}

// The index's low 8 bits for each 8 elements; for each 32 elements 16 bits: four times the index's upper 3,
// a scale d (1 + 2n) of 3, and in the highest whether an eighth is taken away or added.
struct BlockIQ1_S {
  std::uint16_t d;
  std::uint8_t qs[32];
  std::uint16_t qh[8];
};

void unpack(const BlockIQ1_S& block, const std::int8_t* grid, ScaledInts& out) {
  const float d = f16_to_f32(block.d);
  for (int k = 0; k < 32; ++k) {
    const int high = block.qh[k / 4];
    put_eighths(grid, block.qs[k] | (high >> (k % 4 * 3) & 7) << 8, (high & 0x8000) != 0, out.q + 8 * k);
  }
  for (int s = 0; s < 16; ++s) {
    out.scales[s] = d * static_cast<float>(1 + 2 * (block.qh[s / 2] >> 12 & 7)) * 0.125f;
  }
}

// As IQ1_S, with 4 bits of qh for each 8 elements: 3 of the index, one of the eighth. The scales are 3 bits
// for each 16 elements; the upper four bits of their four 16-bit words make d.
struct BlockIQ1_M {
  std::uint8_t qs[32], qh[16];
  std::uint16_t scales[4];
};

void unpack(const BlockIQ1_M& block, const std::int8_t* grid, ScaledInts& out) {
  int bits = 0;
  for (int w = 0; w < 4; ++w) bits |= (block.scales[w] >> 12) << (4 * w);
  const float d = f16_to_f32(static_cast<std::uint16_t>(bits));
  for (int k = 0; k < 32; ++k) {
    const int high = block.qh[k / 2] >> (k % 2 * 4) & 15;
    put_eighths(grid, block.qs[k] | (high & 7) << 8, (high & 8) != 0, out.q + 8 * k);
  }
  for (int s = 0; s < 16; ++s) {
    out.scales[s] = d * static_cast<float>(1 + 2 * (block.scales[s / 4] >> (s % 4 * 3) & 7)) * 0.125f;
  }
}

// Half of an unsigned float of 4 exponent and 3 mantissa bits (the values beside are doubled); the pattern of
// its NaN counts as 0.
float half_of_ue4m3(std::uint8_t bits) {
  const int exponent = bits >> 3 & 15, mantissa = bits & 7;
  if (bits == 0x7F) return 0;
  return exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -10)
                       : std::ldexp(static_cast<float>(8 + mantissa), exponent - 11);
}

// Four groups of 16, each under a scale of its own: low halves of 8 bytes, then the high ones.
struct BlockNVFP4 {
  std::uint8_t d[4];
  std::uint8_t qs[4][8];
};

void unpack(const BlockNVFP4& block, const std::int8_t*, ScaledInts& out) {
  for (int g = 0; g < 4; ++g) {
    out.scales[g] = half_of_ue4m3(block.d[g]);
    for (int i = 0; i < 8; ++i) {
      out.q[16 * g + i] = kFp4Values[block.qs[g][i] & 15];
      out.q[16 * g + 8 + i] = kFp4Values[block.qs[g][i] >> 4];
    }
  }
}

// Digit `power` (as 3^power) of a byte that holds five base-3 digits as a fraction of 256, minus 1.
std::int8_t trit(std::uint8_t byte, int power) {
  const auto shifted = static_cast<std::uint8_t>(byte * power);
  return static_cast<std::int8_t>((shifted * 3 >> 8) - 1);
}

// 32 bytes hold elements 0-159 (digit j of byte i is element 32 j + i), 16 bytes 160-239 alike, and qh four
// digits each for the last 16.
struct BlockTQ1_0 {
  std::uint8_t qs[48], qh[4];
  std::uint16_t d;
};

void unpack(const BlockTQ1_0& block, const std::int8_t*, ScaledInts& out) {
  constexpr int kPowers[] = {1, 3, 9, 27, 81};
  for (int j = 0; j < 5; ++j) {
    for (int i = 0; i < 32; ++i) out.q[32 * j + i] = trit(block.qs[i], kPowers[j]);
    for (int i = 0; i < 16; ++i) out.q[160 + 16 * j + i] = trit(block.qs[32 + i], kPowers[j]);
  }
  for (int j = 0; j < 4; ++j) {
    for (int i = 0; i < 4; ++i) out.q[240 + 4 * j + i] = trit(block.qh[i], kPowers[j]);
  }
  for (float& scale : out.scales) scale = f16_to_f32(block.d);
}

// Two bits an element, q + 1, as in Q2_K.
struct BlockTQ2_0 {
  std::uint8_t qs[64];
  std::uint16_t d;
};

void unpack(const BlockTQ2_0& block, const std::int8_t*, ScaledInts& out) {
  for (int e = 0; e < 256; ++e) {
    const int two = block.qs[e / 128 * 32 + e % 32] >> (e % 128 / 32 * 2) & 3;
    out.q[e] = static_cast<std::int8_t>(two - 1);
  }
  for (float& scale : out.scales) scale = f16_to_f32(block.d);
}

template <class Block>
void unpack_stored(const std::byte* from, const std::int8_t* grid, DType type, ScaledInts& out) {
  REFOCUS_CHECK(sizeof(Block) == block_bytes(type));
  Block block;
  std::memcpy(&block, from, sizeof block);
  unpack(block, grid, out);
}

}  // namespace

void scaled_ints(DType type, const std::byte* block, ScaledInts& out) {
  switch (type) {
    case DType::kIQ1_S:
      return unpack_stored<BlockIQ1_S>(block, iq_grid(type), type, out);
    case DType::kIQ1_M:
      return unpack_stored<BlockIQ1_M>(block, iq_grid(type), type, out);
    case DType::kIQ2_XXS:
      return unpack_stored<BlockIQ2_XXS>(block, iq_grid(type), type, out);
    case DType::kIQ2_XS:
      return unpack_stored<BlockIQ2_XS>(block, iq_grid(type), type, out);
    case DType::kIQ2_S:
      return unpack_stored<BlockIQ2_S>(block, iq_grid(type), type, out);
    case DType::kIQ3_XXS:
      return unpack_stored<BlockIQ3_XXS>(block, iq_grid(type), type, out);
    case DType::kIQ3_S:
      return unpack_stored<BlockIQ3_S>(block, iq_grid(type), type, out);
    case DType::kNVFP4:
      return unpack_stored<BlockNVFP4>(block, nullptr, type, out);
    case DType::kTQ1_0:
      return unpack_stored<BlockTQ1_0>(block, nullptr, type, out);
    case DType::kTQ2_0:
      return unpack_stored<BlockTQ2_0>(block, nullptr, type, out);
    default:
      REFOCUS_CHECK(has_scaled_ints(type));
  }
}

}  // namespace refocus
