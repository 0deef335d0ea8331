// Weights of every block type, made up bit by bit, for tests of packed products.
#pragma once

#include <cstring>
#include <random>
#include <vector>

#include "kernels/packed_matmul.h"
#include "kernels/targets.h"

namespace refocus::testing {

inline std::vector<DType> block_types() {
  std::vector<DType> out;
  for (const DType type : kDTypes) {
    if (is_block_type(type)) out.push_back(type);
  }
  return out;
}

// Where a block's half-float scales lie.
inline std::vector<std::size_t> half_scales(DType type) {
  switch (type) {
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return {0, 2};
    case DType::kQ2_K:
      return {80, 82};
    case DType::kQ3_K:
    case DType::kQ6_K:
    case DType::kTQ1_0:
    case DType::kTQ2_0:
      return {block_bytes(type) - 2};
    case DType::kIQ1_M:
    case DType::kMXFP4:
    case DType::kNVFP4:
      return {};
    default:
      return {0};
  }
}

// Random bytes as blocks, so that every bit pattern of quants and scales of sub-blocks occurs; the scale of a
// block is made 2^-8 to 2^-6.
inline std::vector<std::byte> random_blocks(DType type, std::int64_t outputs, std::int64_t inputs,
                                            unsigned seed = 7) {
  std::mt19937 engine(seed);
  std::vector<std::byte> rows(bytes_of(type, inputs) * static_cast<std::size_t>(outputs));
  for (std::byte& b : rows) b = static_cast<std::byte>(engine());
  const auto small_half = [&] { return static_cast<std::uint16_t>(0x1C00 + engine() % 0x800); };
  for (std::size_t at = 0; at < rows.size(); at += block_bytes(type)) {
    for (const std::size_t offset : half_scales(type)) {
      const std::uint16_t bits = small_half();
      std::memcpy(&rows[at + offset], &bits, 2);
    }
    if (type == DType::kIQ1_M) {  // in the upper four bits of four words
      for (std::size_t i = 0, bits = small_half(); i < 4; ++i, bits >>= 4) {
        std::byte& upper = rows[at + 49 + 2 * i];
        upper = (upper & std::byte{15}) | static_cast<std::byte>((bits & 15) << 4);
      }
    }
    if (type == DType::kMXFP4) rows[at] = static_cast<std::byte>(119 + engine() % 8);
    for (std::size_t i = 0; type == DType::kNVFP4 && i < 4; ++i) {
      rows[at + i] = static_cast<std::byte>(engine() % 0x20);
    }
  }
  return rows;
}

}  // namespace refocus::testing
