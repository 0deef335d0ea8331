// A .npy file whose elements are written in any order, in pieces at their places: for arrays too large to be
// held.
//
// Not atomic by itself: it belongs into an AtomicDirectory. What is never written is zero, and takes no space
// on the disk where the file system knows holes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace refocus {

enum class NpyType { kF32, kI32, kI64 };

class NpySlabs {
 public:
  // As the first dimension: as many as are written, all of them by one thread.
  static constexpr std::int64_t kAsWritten = -1;

  // Row-major, dimensions outermost first. Every failure (a full disk, a missing folder) is an InputError.
  NpySlabs(std::filesystem::path path, NpyType type, std::vector<std::int64_t> shape);
  ~NpySlabs();
  NpySlabs(const NpySlabs&) = delete;
  NpySlabs& operator=(const NpySlabs&) = delete;

  // Elements from place `first` on, counted in row-major order. May be called from several threads for
  // different places.
  void write(std::int64_t first, std::span<const float> elements);
  void write(std::int64_t first, std::span<const std::int32_t> elements);
  void write(std::int64_t first, std::span<const std::int64_t> elements);
  // Flushes everything to the disk; nothing may be written afterwards.
  void finish();

 private:
  bool grows() const { return shape_[0] == kAsWritten; }
  void write_header();
  void write_bytes(std::int64_t first, std::span<const std::byte> bytes, NpyType type);
  [[noreturn]] void fail(int error) const;

  std::filesystem::path path_;
  NpyType type_;
  std::vector<std::int64_t> shape_;
  std::int64_t row_elements_ = 1;  // of one step of the first dimension
  std::int64_t header_bytes_ = 0, end_ = 0;
  int fd_ = -1;
};

}  // namespace refocus
