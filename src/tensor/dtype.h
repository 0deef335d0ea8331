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

enum class DType {
  kF32,
  kF16,
  kBF16,
  kF64,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ1_S,
  kIQ1_M,
  kIQ2_XXS,
  kIQ2_XS,
  kIQ2_S,
  kIQ3_XXS,
  kIQ3_S,
  kIQ4_NL,
  kIQ4_XS,
  kMXFP4,
  kNVFP4,
  kTQ1_0,
  kTQ2_0,
};

struct DTypeTraits {
  DType type;
  std::string_view name;
  std::int64_t block_elements;
  std::size_t block_bytes;
  std::uint32_t gguf_number;  // in GGUF files (enum ggml_type)
};

// In the order of the enumeration.
inline constexpr DTypeTraits kDTypeTraits[] = {
    {DType::kF32, "F32", 1, 4, 0},
    {DType::kF16, "F16", 1, 2, 1},
    {DType::kBF16, "BF16", 1, 2, 30},
    {DType::kF64, "F64", 1, 8, 28},
    {DType::kQ8_0, "Q8_0", 32, 34, 8},
    {DType::kQ4_0, "Q4_0", 32, 18, 2},
    {DType::kQ4_1, "Q4_1", 32, 20, 3},
    {DType::kQ5_0, "Q5_0", 32, 22, 6},
    {DType::kQ5_1, "Q5_1", 32, 24, 7},
    {DType::kQ2_K, "Q2_K", 256, 84, 10},
    {DType::kQ3_K, "Q3_K", 256, 110, 11},
    {DType::kQ4_K, "Q4_K", 256, 144, 12},
    {DType::kQ5_K, "Q5_K", 256, 176, 13},
    {DType::kQ6_K, "Q6_K", 256, 210, 14},
    {DType::kIQ1_S, "IQ1_S", 256, 50, 19},
    {DType::kIQ1_M, "IQ1_M", 256, 56, 29},
    {DType::kIQ2_XXS, "IQ2_XXS", 256, 66, 16},
    {DType::kIQ2_XS, "IQ2_XS", 256, 74, 17},
    {DType::kIQ2_S, "IQ2_S", 256, 82, 22},
    {DType::kIQ3_XXS, "IQ3_XXS", 256, 98, 18},
    {DType::kIQ3_S, "IQ3_S", 256, 110, 21},
    {DType::kIQ4_NL, "IQ4_NL", 32, 18, 20},
    {DType::kIQ4_XS, "IQ4_XS", 256, 136, 23},
    {DType::kMXFP4, "MXFP4", 32, 17, 39},
    {DType::kNVFP4, "NVFP4", 64, 36, 40},
    {DType::kTQ1_0, "TQ1_0", 256, 54, 34},
    {DType::kTQ2_0, "TQ2_0", 256, 66, 35},
};

inline constexpr std::size_t kDTypeCount = std::size(kDTypeTraits);

// Every type.
inline constexpr auto kDTypes = [] {
  std::array<DType, kDTypeCount> types{};
  for (std::size_t i = 0; i < kDTypeCount; ++i) types[i] = kDTypeTraits[i].type;
  return types;
}();

constexpr const DTypeTraits& traits_of(DType type) { return kDTypeTraits[static_cast<std::size_t>(type)]; }

static_assert([] {
  for (std::size_t i = 0; i < kDTypeCount; ++i) {
    if (kDTypeTraits[i].type != static_cast<DType>(i)) return false;
  }
  return true;
}());

// Elements of one block.
constexpr std::int64_t block_elements(DType type) { return traits_of(type).block_elements; }

// Bytes of one block.
constexpr std::size_t block_bytes(DType type) { return traits_of(type).block_bytes; }

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

constexpr std::string_view name_of(DType type) { return traits_of(type).name; }

// The types that quantize_row writes.
constexpr bool is_written(DType type) {
  switch (type) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
    case DType::kQ8_0:
    case DType::kQ4_0:
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K:
      return true;
    default:
      return false;
  }
}

}  // namespace refocus
