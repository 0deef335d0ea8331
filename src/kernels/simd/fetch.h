// Asking for memory ahead of its use.
#pragma once

namespace refocus {

// Asks for the line of 64 bytes that `line` lies in, into the L2 cache; any address will do, mapped or not.
// Always inline: g++ drops a call of a function that does nothing else.
[[gnu::always_inline]] inline void fetch_into_l2(const void* line) {
  constexpr int kRead = 0, kIntoL2 = 2;
  __builtin_prefetch(line, kRead, kIntoL2);
}

}  // namespace refocus
