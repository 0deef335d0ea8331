// Asking for memory ahead of its use, and rows that keep each other out of the L1 cache.
#pragma once

#include <cstdint>

namespace refocus {

// Asks for the line of 64 bytes that `line` lies in, into the L2 cache; any address will do, mapped or not.
// Always inline: g++ drops a call of a function that does nothing else.
[[gnu::always_inline]] inline void fetch_into_l2(const void* line) {
  constexpr int kRead = 0, kIntoL2 = 2;
  __builtin_prefetch(line, kRead, kIntoL2);
}

// Whether rows of float32 so far apart begin in the same set of the L1 cache, which has 64 sets of 64 bytes
// and 8 to 12 places in each: a tile's rows of both operands are more.
constexpr bool rows_collide(std::int64_t floats_apart) { return floats_apart % 1024 == 0; }

}  // namespace refocus
