// Element types of stored tensors: plain ones, and ggml's block formats (their layout: block_formats.h).
//
// A block type stores a fixed number of consecutive elements of a row in a fixed number of bytes; a row is a
// whole number of blocks. A plain type is a block of one element.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace refocus {

enum class DType { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_K, kQ5_K, kQ6_K };

inline constexpr std::array<DType, 8> kDTypes = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ8_0,
                                                 DType::kQ4_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

// Elements of one block.
constexpr std::int64_t block_elements(DType type) {
  switch (type) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
      return 1;
    case DType::kQ8_0:
    case DType::kQ4_0:
      return 32;
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K:
      return 256;
  }
  return 1;
}

// Bytes of one block.
constexpr std::size_t block_bytes(DType type) {
  switch (type) {
    case DType::kF32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
      return 2;
    case DType::kQ8_0:
      return 34;
    case DType::kQ4_0:
      return 18;
    case DType::kQ4_K:
      return 144;
    case DType::kQ5_K:
      return 176;
    case DType::kQ6_K:
      return 210;
  }
  return 0;
}

constexpr bool is_block_type(DType type) { return block_elements(type) > 1; }

// Bytes of one element of a plain type.
constexpr std::size_t size_of(DType type) {
  REFOCUS_CHECK(!is_block_type(type));
  return block_bytes(type);
}

// Bytes of `elements` consecutive elements, which must be whole blocks.
constexpr std::size_t bytes_of(DType type, std::int64_t elements) {
  REFOCUS_CHECK(elements % block_elements(type) == 0);
  return static_cast<std::size_t>(elements / block_elements(type)) * block_bytes(type);
}

constexpr std::string_view name_of(DType type) {
  switch (type) {
    case DType::kF32:
      return "F32";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    case DType::kQ8_0:
      return "Q8_0";
    case DType::kQ4_0:
      return "Q4_0";
    case DType::kQ4_K:
      return "Q4_K";
    case DType::kQ5_K:
      return "Q5_K";
    case DType::kQ6_K:
      return "Q6_K";
  }
  return "?";
}

}  // namespace refocus
