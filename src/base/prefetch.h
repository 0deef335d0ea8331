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
  const auto* const at = static_cast<const std::byte*>(data);
  for (std::size_t i = 0; i < bytes + 63; i += 64)
    __builtin_prefetch(at + (i < bytes ? i : bytes - 1), kWrite);
}

}  // namespace refocus
