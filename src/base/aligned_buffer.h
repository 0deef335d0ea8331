// A fixed-size array of trivial elements on a cache-line boundary, zeroed at first. Large ones lie on huge
// pages where the system grants them: weights are streamed, and page look-ups would cost a third of the read
// rate.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

namespace refocus {

template <class T>
class AlignedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t count) : size_(count) {
    if (count == 0) return;
    const std::size_t bytes = (count * sizeof(T) + 63) / 64 * 64;
    if (bytes >= kHugePage) {
      map(bytes);
      return;
    }
    void* data = std::aligned_alloc(64, bytes);
    if (data == nullptr) throw std::bad_alloc();
    std::memset(data, 0, bytes);
    data_ = {static_cast<T*>(data), Free{}};
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  struct Free {
    std::size_t mapped = 0;  // bytes at `base` to unmap, or 0: from the heap
    void* base = nullptr;
    void operator()(T* p) const {
      if (mapped != 0) {
        ::munmap(base, mapped);
      } else {
        std::free(p);
      }
    }
  };

  // Zero pages, given on first touch, from a huge page's boundary on.
  void map(std::size_t bytes) {
    const std::size_t mapped = bytes + kHugePage;
    void* base = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) throw std::bad_alloc();
    const auto address = reinterpret_cast<std::uintptr_t>(base);
    const std::uintptr_t start = (address + kHugePage - 1) / kHugePage * kHugePage;
    ::madvise(reinterpret_cast<void*>(start), bytes, MADV_HUGEPAGE);  // a wish; without it all works as well
    data_ = {reinterpret_cast<T*>(start), Free{mapped, base}};
  }

  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

// A buffer of at least so many elements, made anew where it is smaller.
template <typename T>
void reserve(AlignedBuffer<T>& buffer, std::int64_t size) {
  if (buffer.size() < static_cast<std::size_t>(size))
    buffer = AlignedBuffer<T>(static_cast<std::size_t>(size));
}

}  // namespace refocus
