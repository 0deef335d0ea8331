// Asking for memory ahead of its use. Any address will do, mapped or not.
//
// Always inline: g++ drops a call of a function that does nothing else.
#pragma once

#include <cstddef>
#include <cstdint>

namespace refocus {

// The line of 64 bytes that `line` lies in, into the L2 cache.
[[gnu::always_inline]] inline void fetch_into_l2(const void* line) {
  constexpr int kRead = 0, kIntoL2 = 2;
  __builtin_prefetch(line, kRead, kIntoL2);
}

// The lines of so many bytes, as their only owner.
[[gnu::always_inline]] inline void fetch_to_write(const void* data, std::size_t bytes) {
  constexpr int kWrite = 1;
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  for (std::uintptr_t line = begin / 64 * 64; line < begin + bytes; line += 64) {
    __builtin_prefetch(reinterpret_cast<const void*>(line), kWrite);
  }
}

}  // namespace refocus
