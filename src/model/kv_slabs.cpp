#include "model/kv_slabs.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace refocus {

namespace {

constexpr std::int64_t kSlabBytes = std::int64_t{32} << 20;
constexpr std::int64_t kLine = 64;

}  // namespace

KvSlabs::KvSlabs(std::int64_t part_bytes, std::int64_t max_bytes)
    : stride_(std::max(kLine, (part_bytes + kLine - 1) / kLine * kLine)),
      parts_of_slab_(std::max<std::int64_t>(1, std::min(kSlabBytes, max_bytes) / stride_)) {}

void KvSlabs::add() {
  if (count_ == std::ssize(slabs_) * parts_of_slab_) {
    slabs_.emplace_back(static_cast<std::size_t>(parts_of_slab_ * stride_));
  }
  ++count_;
}

std::byte* KvSlabs::data(std::int64_t part) {
  return slabs_[static_cast<std::size_t>(part / parts_of_slab_)].data() + part % parts_of_slab_ * stride_;
}

void KvSlabs::discard(std::int64_t part) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(data(part));
  const std::uintptr_t first = (begin + page - 1) / page * page,
                       end = (begin + static_cast<std::uintptr_t>(stride_)) / page * page;
  if (first < end) ::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
}

}  // namespace refocus
