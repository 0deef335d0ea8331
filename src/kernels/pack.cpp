// Packing of ggml blocks into panels. A panel holds kPanelOutputs = 16 rows n; quants lie in groups of 4
// inputs, [group][n][4 bytes], so that a 32-bit lane meets one output's 4 inputs. Regions of a panel, in this
// order:
//
//   Q8_0         scales f16 [block][n];                                      quants s8 [block][8][n][4]
//   Q4_0         scales f16 [block][n];                                      quants u4 [block][4][n][4]
//   Q4_K         d, dmin f16 [super][2][n], sc, m u8 [super][8][2][n];       quants u4 [super][4][8][n][4]
//   Q5_K         as Q4_K;                                                    quants u8 [block][8][n][4]
//   Q6_K         d f16 [super][n], sc s8 [super][16][n];                     quants u8 [block][8][n][4]
//
// A block has 32 inputs, a super-block 256. In Q4_0 the low half of byte group g holds inputs 4g.., the high
// half inputs 16 + 4g..; in Q4_K the low halves of a pair of blocks are the first block, the high halves the
// second: both as in ggml's own bytes, so packing moves whole groups. Q5_K and Q6_K quants are widened to a
// byte.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/packed_matmul.h"
#include "tensor/block_formats.h"

namespace refocus {

namespace {

std::int64_t round_up(std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; }

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

// The 6-bit scale and minimum of sub-block j (ggml's packing of 8 pairs into 12 bytes).
void scale_and_min(const std::uint8_t* packed, int j, std::uint8_t& scale, std::uint8_t& min) {
  if (j < 4) {
    scale = packed[j] & 63;
    min = packed[j + 4] & 63;
  } else {
    scale = static_cast<std::uint8_t>((packed[j + 4] & 0xF) | ((packed[j - 4] >> 6) << 4));
    min = static_cast<std::uint8_t>((packed[j + 4] >> 4) | ((packed[j] >> 6) << 4));
  }
}

// One row's part of a panel: n its place, scales and quants the panel's regions.
struct RowPlace {
  std::byte* scales;
  std::byte* quants;
  std::int64_t n;

  std::byte* group(std::int64_t first) const { return quants + first * kGroupStride + 4 * n; }
};

void pack_block(const BlockQ8_0& block, std::int64_t b, const RowPlace& to) {
  put_u16(to.scales, b * kPanelOutputs + to.n, block.d);
  put_groups(to.group(b * 8), block.qs, 8);
}

void pack_block(const BlockQ4_0& block, std::int64_t b, const RowPlace& to) {
  put_u16(to.scales, b * kPanelOutputs + to.n, block.d);
  put_groups(to.group(b * 4), block.qs, 4);
}

// d, dmin and the 8 scales and minima of a super-block of Q4_K or Q5_K: 64 + 256 bytes a panel.
void pack_scales_and_mins(std::uint16_t d, std::uint16_t dmin, const std::uint8_t* packed, std::int64_t super,
                          const RowPlace& to) {
  std::byte* scales = to.scales + super * 20 * kPanelOutputs;
  put_u16(scales, to.n, d);
  put_u16(scales, kPanelOutputs + to.n, dmin);
  for (int j = 0; j < 8; ++j) {
    std::uint8_t scale, min;
    scale_and_min(packed, j, scale, min);
    scales[4 * kPanelOutputs + (2 * j) * kPanelOutputs + to.n] = std::byte{scale};
    scales[4 * kPanelOutputs + (2 * j + 1) * kPanelOutputs + to.n] = std::byte{min};
  }
}

void pack_block(const BlockQ4_K& block, std::int64_t super, const RowPlace& to) {
  pack_scales_and_mins(block.d, block.dmin, block.scales, super, to);
  put_groups(to.group(super * 32), block.qs, 32);
}

void pack_block(const BlockQ5_K& block, std::int64_t super, const RowPlace& to) {
  pack_scales_and_mins(block.d, block.dmin, block.scales, super, to);
  std::uint8_t wide[256];
  for (int k = 0; k < 256; ++k) {
    const int low = block.qs[k / 64 * 32 + k % 32] >> (k % 64 < 32 ? 0 : 4) & 0xF;
    const int high = block.qh[k % 32] >> (k / 32) & 1;
    wide[k] = static_cast<std::uint8_t>(low | high << 4);
  }
  put_groups(to.group(super * 64), wide, 64);
}

void pack_block(const BlockQ6_K& block, std::int64_t super, const RowPlace& to) {
  std::byte* scales = to.scales + super * 18 * kPanelOutputs;
  put_u16(scales, to.n, block.d);
  for (int j = 0; j < 16; ++j) {
    scales[2 * kPanelOutputs + j * kPanelOutputs + to.n] = static_cast<std::byte>(block.scales[j]);
  }
  std::uint8_t wide[256];
  for (int k = 0; k < 256; ++k) {
    const int half = k / 128, in_half = k % 128;
    const int low = block.ql[half * 64 + in_half % 64] >> (in_half < 64 ? 0 : 4) & 0xF;
    const int high = block.qh[half * 32 + in_half % 32] >> (2 * (in_half / 32)) & 3;
    wide[k] = static_cast<std::uint8_t>(low | high << 4);
  }
  put_groups(to.group(super * 64), wide, 64);
}

template <class Block>
void pack_row(const std::byte* row, std::int64_t blocks, const RowPlace& to) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    Block block;
    std::memcpy(&block, row + static_cast<std::size_t>(b) * sizeof(Block), sizeof(Block));
    pack_block(block, b, to);
  }
}

void pack_row(DType type, const std::byte* row, std::int64_t inputs, const RowPlace& to) {
  const std::int64_t blocks = inputs / block_elements(type);
  switch (type) {
    case DType::kQ8_0:
      return pack_row<BlockQ8_0>(row, blocks, to);
    case DType::kQ4_0:
      return pack_row<BlockQ4_0>(row, blocks, to);
    case DType::kQ4_K:
      return pack_row<BlockQ4_K>(row, blocks, to);
    case DType::kQ5_K:
      return pack_row<BlockQ5_K>(row, blocks, to);
    case DType::kQ6_K:
      return pack_row<BlockQ6_K>(row, blocks, to);
    default:
      REFOCUS_CHECK(false);
  }
}

// Bytes of one panel's scales and quants.
std::pair<std::int64_t, std::int64_t> region_bytes(DType type, std::int64_t inputs) {
  const std::int64_t n = kPanelOutputs, blocks = inputs / kQuantBlock, supers = inputs / 256;
  switch (type) {
    case DType::kQ8_0:
      return {blocks * 2 * n, inputs * n};
    case DType::kQ4_0:
      return {blocks * 2 * n, inputs * n / 2};
    case DType::kQ4_K:
      return {supers * 20 * n, inputs * n / 2};
    case DType::kQ5_K:
      return {supers * 20 * n, inputs * n};
    case DType::kQ6_K:
      return {supers * 18 * n, inputs * n};
    default:
      return {0, 0};
  }
}

}  // namespace

bool can_pack(DType type, std::int64_t inputs) {
  return is_block_type(type) && inputs % std::max(block_elements(type), kQuantBlock) == 0;
}

PackedMatrix pack(ThreadPool& pool, DType type, const std::byte* rows, std::int64_t outputs,
                  std::int64_t inputs) {
  REFOCUS_CHECK(can_pack(type, inputs));
  const auto [scales, quants] = region_bytes(type, inputs);
  PackedMatrix out;
  out.type = type;
  out.outputs = outputs;
  out.inputs = inputs;
  out.quants_offset = round_up(scales, 64);
  out.panel_bytes = out.quants_offset + round_up(quants, 64);
  const std::int64_t panels = (outputs + kPanelOutputs - 1) / kPanelOutputs;
  out.data = AlignedBuffer<std::byte>(static_cast<std::size_t>(panels * out.panel_bytes));
  const std::size_t row_bytes = bytes_of(type, inputs);
  pool.parallel_for(panels, [&](std::int64_t p, int) {
    std::byte* panel = out.data.data() + p * out.panel_bytes;
    for (std::int64_t n = 0; n < std::min(kPanelOutputs, outputs - p * kPanelOutputs); ++n) {
      pack_row(type, rows + static_cast<std::size_t>(p * kPanelOutputs + n) * row_bytes, inputs,
               {panel, panel + out.quants_offset, n});
    }
  });
  return out;
}

}  // namespace refocus
