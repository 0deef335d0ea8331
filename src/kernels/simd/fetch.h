// Asking for memory ahead of its use, and rows that keep each other out of the L1 cache.
#pragma once

#include <cstdint>

#include "base/prefetch.h"

namespace refocus {

// Whether rows of float32 so far apart begin in the same set of the L1 cache, which has 64 sets of 64 bytes
// and 8 to 12 places in each: a tile's rows of both operands are more.
constexpr bool rows_collide(std::int64_t floats_apart) { return floats_apart % 1024 == 0; }

}  // namespace refocus
