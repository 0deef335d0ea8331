// How much of a matrix is held in memory while it is written.
#pragma once

#include <algorithm>
#include <cstdint>

namespace refocus {

// Rows of so many columns that are read, changed and written at a time.
inline std::int64_t slab_rows(std::int64_t columns) {
  constexpr std::int64_t kSlabElements = std::int64_t{1} << 21;
  return std::max<std::int64_t>(1, kSlabElements / std::max<std::int64_t>(1, columns));
}

}  // namespace refocus
