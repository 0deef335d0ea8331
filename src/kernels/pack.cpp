// Packing of ggml blocks into panels of kPanelOutputs = 16 rows n. Quants lie in groups of 4 inputs,
// [group][n][4 bytes], so that a 32-bit lane meets one output's 4 inputs. A panel is a run of units:
//
//   Q8_0   2 blocks       scales f16 [block][n],                               quants s8 [block][8][n][4]
//   Q4_0   2 blocks       scales f16 [block][n],                               quants u4 [block][4][n][4]
//   Q4_K   1 super-block  d, dmin f16 [2][n], sc, m u8 [8][2][n],              quants u4 [4][8][n][4]
//   Q5_K   1 super-block  as Q4_K,                                             quants u8 [8][8][n][4]
//   Q6_K   1 super-block  d f16 [n], sc s8 [16][n], 32 bytes of nothing,       quants u8 [8][8][n][4]
//
// A block has 32 inputs, a super-block 256; with an odd number of blocks the last unit is half empty. In Q4_0
// the low half of byte group g holds inputs 4g.., the high half inputs 16 + 4g..; in Q4_K the low halves of a
// pair of blocks are the first block, the high halves the second: both as in ggml's own bytes, so packing
// moves whole groups. Q5_K and Q6_K quants are widened to a byte.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/packed_matmul.h"
#include "tensor/block_formats.h"

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

// d, dmin and the 8 scales and minima of a super-block of Q4_K or Q5_K: 64 + 256 bytes a panel.
void pack_scales_and_mins(std::uint16_t d, std::uint16_t dmin, const std::uint8_t* packed,
                          const RowPlace& to) {
  std::byte* scales = to.scales;
  put_u16(scales, to.n, d);
  put_u16(scales, kPanelOutputs + to.n, dmin);
  for (int j = 0; j < 8; ++j) {
    std::uint8_t scale, min;
    scale_and_min(packed, j, scale, min);
    scales[4 * kPanelOutputs + (2 * j) * kPanelOutputs + to.n] = std::byte{scale};
    scales[4 * kPanelOutputs + (2 * j + 1) * kPanelOutputs + to.n] = std::byte{min};
  }
}

void pack_block(const BlockQ4_K& block, std::int64_t, const RowPlace& to) {
  pack_scales_and_mins(block.d, block.dmin, block.scales, to);
  put_groups(to.group(0), block.qs, 32);
}

void pack_block(const BlockQ5_K& block, std::int64_t, const RowPlace& to) {
  pack_scales_and_mins(block.d, block.dmin, block.scales, to);
  std::uint8_t wide[256];
  for (int k = 0; k < 256; ++k) {
    const int low = block.qs[k / 64 * 32 + k % 32] >> (k % 64 < 32 ? 0 : 4) & 0xF;
    const int high = block.qh[k % 32] >> (k / 32) & 1;
    wide[k] = static_cast<std::uint8_t>(low | high << 4);
  }
  put_groups(to.group(0), wide, 64);
}

void pack_block(const BlockQ6_K& block, std::int64_t, const RowPlace& to) {
  std::byte* scales = to.scales;
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
  put_groups(to.group(0), wide, 64);
}

// Row n of a panel.
template <DType type, class Block>
void pack_row(const std::byte* row, std::int64_t inputs, std::byte* panel, std::int64_t n) {
  constexpr PackedUnit kUnit = packed_unit(type);
  constexpr std::int64_t kParts = kUnit.inputs / block_elements(type);
  const std::int64_t blocks = inputs / block_elements(type);
  for (std::int64_t b = 0; b < blocks; ++b) {
    Block block;
    std::memcpy(&block, row + static_cast<std::size_t>(b) * sizeof(Block), sizeof(Block));
    std::byte* unit = panel + b / kParts * kUnit.bytes();
    pack_block(block, b % kParts, {unit, unit + kUnit.scales_bytes, n});
  }
}

void pack_row(DType type, const std::byte* row, std::int64_t inputs, std::byte* panel, std::int64_t n) {
  switch (type) {
    case DType::kQ8_0:
      return pack_row<DType::kQ8_0, BlockQ8_0>(row, inputs, panel, n);
    case DType::kQ4_0:
      return pack_row<DType::kQ4_0, BlockQ4_0>(row, inputs, panel, n);
    case DType::kQ4_K:
      return pack_row<DType::kQ4_K, BlockQ4_K>(row, inputs, panel, n);
    case DType::kQ5_K:
      return pack_row<DType::kQ5_K, BlockQ5_K>(row, inputs, panel, n);
    case DType::kQ6_K:
      return pack_row<DType::kQ6_K, BlockQ6_K>(row, inputs, panel, n);
    default:
      REFOCUS_CHECK(false);
  }
}

}  // namespace

bool can_pack(DType type, std::int64_t inputs) {
  return is_block_type(type) && inputs % std::max(block_elements(type), kQuantBlock) == 0;
}

std::size_t packed_bytes(DType type, std::int64_t outputs, std::int64_t inputs) {
  const PackedUnit unit = packed_unit(type);
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
