// The memory of a pool's parts of one group: many parts lie in one slab, on huge pages where the system
// grants them, since attention reads a few KB of each part of a sequence, one part after the other, and would
// look up a small page for nearly every read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"

namespace refocus {

class KvSlabs {
 public:
  // Parts of `part_bytes`, and no more of them than fill about `max_bytes`.
  KvSlabs(std::int64_t part_bytes, std::int64_t max_bytes);

  // Makes room for one part more, zeroed; it gets the next number.
  void add();
  std::int64_t count() const { return count_; }
  // Stays where it is as long as this object lives.
  std::byte* data(std::int64_t part);
  // Returns a part's pages to the system, those that no other part lies on. What it held may be lost; it
  // can be written again.
  void discard(std::int64_t part);

 private:
  std::int64_t stride_, parts_of_slab_;  // stride_: bytes from one part to the next
  std::int64_t count_ = 0;
  std::vector<AlignedBuffer<std::byte>> slabs_;
};

}  // namespace refocus
