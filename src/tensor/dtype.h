// Element types of stored tensors.
#pragma once

#include <cstddef>
#include <string_view>

namespace refocus {

enum class DType { kF32, kF16, kBF16 };

constexpr std::size_t size_of(DType type) { return type == DType::kF32 ? 4 : 2; }

constexpr std::string_view name_of(DType type) {
  switch (type) {
    case DType::kF32:
      return "F32";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
  }
  return "?";
}

}  // namespace refocus
