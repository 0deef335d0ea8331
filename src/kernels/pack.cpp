// Packing of ggml blocks into panels of kPanelOutputs = 16 rows n. Quants lie in groups of 4 inputs,
// [group][n][4 bytes], so that a 32-bit lane meets one output's 4 inputs. A panel is a run of units:
//
//   Q8_0    2 blocks       scales f16 [block][n],                         quants s8 [block][8][n][4]
//   Q4_0    2 blocks       scales f16 [block][n],                         quants u4 [block][4][n][4]
//   IQ4_NL  2 blocks       as Q4_0, the quants places in a table
//   MXFP4   2 blocks       as IQ4_NL, the scales BF16
//   Q4_1    2 blocks       d, m f16 [block][2][n],                        quants as Q4_0
//   Q5_0    2 blocks       scales f16 [block][n],                         quants u5 [block][4 + 1][n][4]
//   Q5_1    2 blocks       d, m f16 [block][2][n],                        quants as Q5_0
//   Q2_K    1 super-block  d, dmin f16 [2][n], sc and m u4 [16][n],       quants u2 [2][8][n][4]
//   Q3_K    1 super-block  d f16 [n], sc s8 [16][n], 32 bytes of nothing, quants as Q2_K, thirds [8][n][4]
//   Q4_K    1 super-block  d, dmin f16 [2][n], sc, m u8 [8][2][n],        quants u4 [4][8][n][4]
//   Q5_K    1 super-block  as Q4_K,                                       quants as Q5_0, 8 blocks
//   Q6_K    1 super-block  d f16 [n], sc s8 [16][n], 32 bytes of nothing, quants u6 [8][4 + 2][n][4]
//   IQ4_XS  1 super-block  d f16 [n], sc s8 [8][n], 32 bytes of nothing,  quants u4 [8][4][n][4]
//   scaled integers, 32    scales f32 [2][n], one for each half,          quants s8 [8][n][4]
//
// A block has 32 inputs, a super-block 256; with an odd number of blocks the last unit is half empty. In Q4_0
// the low half of byte group g holds inputs 4g.., the high half inputs 16 + 4g..; in Q4_K the low halves of a
// pair of blocks are the first block, the high halves the second; in Q2_K the bit pairs of a byte are four
// blocks, in Q3_K the third bits of a byte eight: all as in ggml's own bytes, so packing moves whole groups.
// Quants of five and six bits have their lower four as Q4_0's, and the others in groups after those of their
// block: bit j of a byte is the fifth bit of inputs 4j..; of the two upper bits, those of inputs 0-15 make
// one group and those of 16-31 the next, of the four inputs groups of each in bits 4-5, 6-7, 0-1 and 2-3,
// from where kernels have to move them least.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/packed_matmul.h"
#include "tensor/block_formats.h"
#include "tensor/half.h"

namespace refocus {

namespace {

// Where one row's groups go in a panel: the place of its first group; the next is a stride on.
constexpr std::int64_t kGroupStride = kPanelOutputs * 4;

void put_u16(std::byte* to, std::int64_t index, std::uint16_t value) {
  std::memcpy(to + 2 * index, &value, 2);
}

// Moves `groups` groups of 4 bytes.
void put_groups(std::byte* to, const void* from, std::int64_t groups) {
  for (std::int64_t g = 0; g < groups; ++g) {
    std::memcpy(to + g * kGroupStride, static_cast<const std::byte*>(from) + 4 * g, 4);
  }
}

// One row's part of a unit: n its place among the panel's rows.
struct RowPlace {
  std::byte* scales;
  std::byte* quants;
  std::int64_t n;

  std::byte* group(std::int64_t first) const { return quants + first * kGroupStride + 4 * n; }
};

// `part` counts the ggml blocks of a unit.
void pack_block(const BlockQ8_0& block, std::int64_t part, const RowPlace& to) {
  put_u16(to.scales, part * kPanelOutputs + to.n, block.d);
  put_groups(to.group(part * 8), block.qs, 8);
}

void pack_block(const BlockQ4_0& block, std::int64_t part, const RowPlace& to) {
  put_u16(to.scales, part * kPanelOutputs + to.n, block.d);
  put_groups(to.group(part * 4), block.qs, 4);
}

void pack_block(const BlockIQ4_NL& block, std::int64_t part, const RowPlace& to) {
  put_u16(to.scales, part * kPanelOutputs + to.n, block.d);
  put_groups(to.group(part * 4), block.qs, 4);
}

void pack_block(const BlockMXFP4& block, std::int64_t part, const RowPlace& to) {
  put_u16(to.scales, part * kPanelOutputs + to.n, f32_to_bf16(mxfp4_scale(block.e)));
  put_groups(to.group(part * 4), block.qs, 4);
}

// d and m of a block of Q4_1 or Q5_1.
template <class Block>
void put_scale_and_min(const Block& block, std::int64_t part, const RowPlace& to) {
  put_u16(to.scales, 2 * part * kPanelOutputs + to.n, block.d);
  put_u16(to.scales, (2 * part + 1) * kPanelOutputs + to.n, block.m);
}

void pack_block(const BlockQ4_1& block, std::int64_t part, const RowPlace& to) {
  put_scale_and_min(block, part, to);
  put_groups(to.group(part * 4), block.qs, 4);
}

// The low halves of 32 bytes, or those that `shift` brings there, two a byte as in Q4_0.
void join_halves(const std::uint8_t* bytes, int shift, std::uint8_t (&joined)[16]) {
  for (int i = 0; i < 16; ++i) {
    const int first = bytes[i] >> shift & 15, second = bytes[i + 16] >> shift & 15;
    joined[i] = static_cast<std::uint8_t>(first | second << 4);
  }
}

// Bits 0, 4, 8, .. of 32 as a byte's.
std::uint8_t every_fourth(std::uint32_t bits) {
  bits &= 0x11111111;
  bits = (bits | bits >> 3) & 0x03030303;
  bits = (bits | bits >> 6) & 0x000F000F;
  return static_cast<std::uint8_t>(bits | bits >> 12);
}

// The 32 quants of a block, each of five bits: the lower four, two a byte as in Q4_0, and the fifths.
void put_five_bits(const std::uint8_t (&lower)[16], std::uint32_t fifths, std::byte* to) {
  std::uint8_t bytes[4];
  for (int k = 0; k < 4; ++k) bytes[k] = every_fourth(fifths >> k);
  put_groups(to, lower, 4);
  put_groups(to + 4 * kGroupStride, bytes, 1);
}
void put_five_bits(const std::uint8_t (&lower)[16], const std::uint8_t (&fifths)[4], std::byte* to) {
  put_five_bits(lower, fifths[0] | fifths[1] << 8 | fifths[2] << 16 | std::uint32_t{fifths[3]} << 24, to);
}

void pack_block(const BlockQ5_0& block, std::int64_t part, const RowPlace& to) {
  put_u16(to.scales, part * kPanelOutputs + to.n, block.d);
  put_five_bits(block.qs, block.qh, to.group(part * 5));
}

void pack_block(const BlockQ5_1& block, std::int64_t part, const RowPlace& to) {
  put_scale_and_min(block, part, to);
  put_five_bits(block.qs, block.qh, to.group(part * 5));
}

void pack_block(const BlockQ2_K& block, std::int64_t, const RowPlace& to) {
  put_u16(to.scales, to.n, block.d);
  put_u16(to.scales, kPanelOutputs + to.n, block.dmin);
  for (int j = 0; j < 16; ++j) to.scales[(4 + j) * kPanelOutputs + to.n] = std::byte{block.scales[j]};
  put_groups(to.group(0), block.qs, 16);
}

void pack_block(const BlockQ3_K& block, std::int64_t, const RowPlace& to) {
  put_u16(to.scales, to.n, block.d);
  std::int8_t scales[16];
  unpack_scales(block, scales);
  for (int j = 0; j < 16; ++j) to.scales[(2 + j) * kPanelOutputs + to.n] = static_cast<std::byte>(scales[j]);
  put_groups(to.group(0), block.qs, 16);
  put_groups(to.group(16), block.hmask, 8);
}

void pack_block(const BlockIQ4_XS& block, std::int64_t, const RowPlace& to) {
  put_u16(to.scales, to.n, block.d);
  for (int j = 0; j < 8; ++j) {
    to.scales[(2 + j) * kPanelOutputs + to.n] = static_cast<std::byte>(scale_of(block, j));
  }
  put_groups(to.group(0), block.qs, 32);
}

// A block of TQ1_0 or TQ2_0 as one of Q2_K: d (q - 1), which is d * 1 * q - d * 1.
BlockQ2_K as_two_bits(DType type, const std::byte* stored) {
  ScaledInts ints;
  scaled_ints(type, stored, ints);
  BlockQ2_K out{};
  std::memcpy(&out.d, stored + block_bytes(type) - 2, 2);
  out.dmin = out.d;
  std::fill_n(out.scales, 16, std::uint8_t{0x11});
  for (int e = 0; e < 256; ++e) {
    out.qs[e / 128 * 32 + e % 32] |= static_cast<std::uint8_t>((ints.q[e] + 1) << (e % 128 / 32 * 2));
  }
  return out;
}

// d, dmin and the 8 scales and minima of a super-block of Q4_K or Q5_K: 64 + 256 bytes a panel.
void put_scales_and_mins(std::uint16_t d, std::uint16_t dmin, const std::uint8_t* packed,
                         const RowPlace& to) {
  std::byte* scales = to.scales;
  put_u16(scales, to.n, d);
  put_u16(scales, kPanelOutputs + to.n, dmin);
  std::uint8_t scale[8], min[8];
  unpack_scales_and_mins(packed, scale, min);
  for (int j = 0; j < 8; ++j) {
    scales[4 * kPanelOutputs + (2 * j) * kPanelOutputs + to.n] = std::byte{scale[j]};
    scales[4 * kPanelOutputs + (2 * j + 1) * kPanelOutputs + to.n] = std::byte{min[j]};
  }
}

void pack_block(const BlockQ4_K& block, std::int64_t, const RowPlace& to) {
  put_scales_and_mins(block.d, block.dmin, block.scales, to);
  put_groups(to.group(0), block.qs, 32);
}

void pack_block(const BlockQ5_K& block, std::int64_t, const RowPlace& to) {
  put_scales_and_mins(block.d, block.dmin, block.scales, to);
  for (int b = 0; b < 8; ++b) {
    std::uint8_t lower[16];
    join_halves(block.qs + b / 2 * 32, b % 2 * 4, lower);
    std::uint32_t fifths = 0;
    for (int i = 0; i < 32; ++i) fifths |= static_cast<std::uint32_t>(block.qh[i] >> b & 1) << i;
    put_five_bits(lower, fifths, to.group(b * 5));
  }
}

void pack_block(const BlockQ6_K& block, std::int64_t, const RowPlace& to) {
  constexpr int kPlaces[4] = {4, 6, 0, 2};
  put_u16(to.scales, to.n, block.d);
  for (int j = 0; j < 16; ++j) {
    to.scales[(2 + j) * kPanelOutputs + to.n] = static_cast<std::byte>(block.scales[j]);
  }
  for (int b = 0; b < 8; ++b) {
    const int quarter = b % 4;
    const std::uint8_t* qh = block.qh + b / 4 * 32;
    std::uint8_t lower[16], upper[8] = {};
    join_halves(block.ql + b / 4 * 64 + quarter % 2 * 32, quarter / 2 * 4, lower);
    for (int g = 0; g < 8; ++g) {
      for (int k = 0; k < 4; ++k) {
        const int pair = qh[4 * g + k] >> (2 * quarter) & 3;
        upper[g / 4 * 4 + k] |= static_cast<std::uint8_t>(pair << kPlaces[g % 4]);
      }
    }
    put_groups(to.group(b * 6), lower, 4);
    put_groups(to.group(b * 6 + 4), upper, 2);
  }
}

// Row n of a panel.
template <DType type, class Block>
void pack_row(const std::byte* row, std::int64_t inputs, std::byte* panel, std::int64_t n) {
  constexpr PackedUnit kUnit = packed_unit(packed_form(type));
  constexpr std::int64_t kParts = kUnit.inputs / block_elements(type);
  const std::int64_t blocks = inputs / block_elements(type);
  for (std::int64_t b = 0; b < blocks; ++b) {
    Block block;
    std::memcpy(&block, row + static_cast<std::size_t>(b) * sizeof(Block), sizeof(Block));
    std::byte* unit = panel + b / kParts * kUnit.bytes();
    pack_block(block, b % kParts, {unit, unit + kUnit.scales_bytes, n});
  }
}

void pack_two_bit_row(DType type, const std::byte* row, std::int64_t inputs, std::byte* panel,
                      std::int64_t n) {
  constexpr PackedUnit kUnit = packed_unit(PackedForm::kQ2_K);
  for (std::int64_t b = 0; b < inputs / 256; ++b, row += block_bytes(type), panel += kUnit.bytes()) {
    pack_block(as_two_bits(type, row), 0, {panel, panel + kUnit.scales_bytes, n});
  }
}

// Blocks of 64 or 256 elements: several units each.
void pack_scaled_ints_row(DType type, const std::byte* row, std::int64_t inputs, std::byte* panel,
                          std::int64_t n) {
  constexpr PackedUnit kUnit = packed_unit(PackedForm::kScaledInts);
  const std::int64_t elements = block_elements(type);
  ScaledInts block;
  for (std::int64_t b = 0; b < inputs / elements; ++b, row += block_bytes(type)) {
    scaled_ints(type, row, block);
    for (std::int64_t e = 0; e < elements; e += kUnit.inputs, panel += kUnit.bytes()) {
      for (std::int64_t half = 0; half < 2; ++half) {
        std::memcpy(panel + 4 * (half * kPanelOutputs + n), &block.scales[e / 16 + half], 4);
      }
      put_groups(panel + kUnit.scales_bytes + 4 * n, block.q + e, 8);
    }
  }
}

void pack_row(DType type, const std::byte* row, std::int64_t inputs, std::byte* panel, std::int64_t n) {
  switch (type) {
    case DType::kQ8_0:
      return pack_row<DType::kQ8_0, BlockQ8_0>(row, inputs, panel, n);
    case DType::kQ4_0:
      return pack_row<DType::kQ4_0, BlockQ4_0>(row, inputs, panel, n);
    case DType::kQ4_1:
      return pack_row<DType::kQ4_1, BlockQ4_1>(row, inputs, panel, n);
    case DType::kQ5_0:
      return pack_row<DType::kQ5_0, BlockQ5_0>(row, inputs, panel, n);
    case DType::kQ5_1:
      return pack_row<DType::kQ5_1, BlockQ5_1>(row, inputs, panel, n);
    case DType::kIQ4_NL:
      return pack_row<DType::kIQ4_NL, BlockIQ4_NL>(row, inputs, panel, n);
    case DType::kMXFP4:
      return pack_row<DType::kMXFP4, BlockMXFP4>(row, inputs, panel, n);
    case DType::kQ2_K:
      return pack_row<DType::kQ2_K, BlockQ2_K>(row, inputs, panel, n);
    case DType::kQ3_K:
      return pack_row<DType::kQ3_K, BlockQ3_K>(row, inputs, panel, n);
    case DType::kQ4_K:
      return pack_row<DType::kQ4_K, BlockQ4_K>(row, inputs, panel, n);
    case DType::kQ5_K:
      return pack_row<DType::kQ5_K, BlockQ5_K>(row, inputs, panel, n);
    case DType::kQ6_K:
      return pack_row<DType::kQ6_K, BlockQ6_K>(row, inputs, panel, n);
    case DType::kIQ4_XS:
      return pack_row<DType::kIQ4_XS, BlockIQ4_XS>(row, inputs, panel, n);
    case DType::kTQ1_0:
    case DType::kTQ2_0:
      return pack_two_bit_row(type, row, inputs, panel, n);
    default:
      return pack_scaled_ints_row(type, row, inputs, panel, n);
  }
}

}  // namespace

bool can_pack(DType type, std::int64_t inputs) {
  return is_block_type(type) && inputs % std::max(block_elements(type), kQuantBlock) == 0;
}

std::size_t packed_bytes(DType type, std::int64_t outputs, std::int64_t inputs) {
  const PackedUnit unit = packed_unit(packed_form(type));
  const std::int64_t panels = (outputs + kPanelOutputs - 1) / kPanelOutputs;
  return static_cast<std::size_t>(panels * ((inputs + unit.inputs - 1) / unit.inputs) * unit.bytes());
}

PackedMatrix pack(ThreadPool& pool, DType type, const std::byte* rows, std::int64_t outputs,
                  std::int64_t inputs, PackedStorage& storage,
                  const std::function<std::int64_t(std::int64_t n)>& stored_row) {
  REFOCUS_CHECK(can_pack(type, inputs));
  const std::size_t bytes = packed_bytes(type, outputs, inputs), row_bytes = bytes_of(type, inputs);
  REFOCUS_CHECK(storage.used_ + bytes <= storage.data_->size());
  std::byte* data = storage.data_->data() + storage.used_;
  storage.used_ += bytes;
  PackedMatrix out{type, outputs, inputs, 0, data, storage.data_};
  out.panel_bytes = static_cast<std::int64_t>(bytes) / out.panels();
  pool.parallel_for(out.panels(), [&](std::int64_t p, int) {
    for (std::int64_t n = 0; n < std::min(kPanelOutputs, outputs - p * kPanelOutputs); ++n) {
      const std::int64_t output = p * kPanelOutputs + n, stored = stored_row ? stored_row(output) : output;
      pack_row(type, rows + static_cast<std::size_t>(stored) * row_bytes, inputs, data + p * out.panel_bytes,
               n);
    }
  });
  return out;
}

PackedMatrix pack(ThreadPool& pool, DType type, const std::byte* rows, std::int64_t outputs,
                  std::int64_t inputs) {
  PackedStorage storage(packed_bytes(type, outputs, inputs));
  return pack(pool, type, rows, outputs, inputs, storage);
}

}  // namespace refocus
