// NumPy's .npy files (format: numpy/lib/format.py, versions 1.0 to 3.0): one array in row-major order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "io/atomic_file.h"

namespace refocus {

// What stands before the elements: version 1.0, 64-byte aligned, as NumPy writes it. `descr` is the elements'
// type, such as "<f4".
std::string npy_header(std::string_view descr, const std::vector<std::int64_t>& shape);

// Writes a float32 array piece by piece, so that a large one is never held whole. The file appears under its
// name at finish(); a writer destroyed before leaves nothing behind.
class NpyWriter {
 public:
  // As the first dimension: as many as are written.
  static constexpr std::int64_t kAsWritten = -1;

  // Dimensions outermost first; only the first may be kAsWritten, and then the others must not be 0.
  // InputError where the file cannot be written.
  NpyWriter(std::filesystem::path path, std::vector<std::int64_t> shape);

  // The next elements, in row-major order: a row, several, or part of one.
  void write(std::span<const float> elements);
  // All elements of the shape must have been written.
  void finish();

 private:
  AtomicFile file_;
  std::vector<std::int64_t> shape_;
  std::int64_t row_elements_ = 1;  // of one step of the first dimension
  std::int64_t written_ = 0;
};

struct NpyArray {
  std::vector<std::int64_t> shape;
  std::variant<std::vector<float>, std::vector<std::int64_t>> data;  // of <f4; of <i4 or <i8

  // The data where it is of that kind; otherwise an InputError.
  const std::vector<float>& f32() const;
  const std::vector<std::int64_t>& i64() const;
};

// An array of element type <f4, <i4 or <i8 that is read in parts. The file is mapped: a part that was not
// asked for is not read.
class NpyFile {
 public:
  // InputError for any other file.
  explicit NpyFile(const std::filesystem::path& path);

  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t size() const;  // elements
  bool is_f32() const { return descr_ == "<f4"; }

  // `count` elements from `first` on in row-major order, within size(). InputError where the array is not of
  // that kind.
  std::vector<float> f32(std::int64_t first, std::int64_t count) const;
  std::vector<std::int64_t> i64(std::int64_t first, std::int64_t count) const;

 private:
  std::span<const std::byte> part(std::int64_t first, std::int64_t count) const;

  std::shared_ptr<const MappedFile> file_;
  std::string where_, descr_;
  std::span<const std::byte> elements_;
  std::vector<std::int64_t> shape_;
};

// Reads a whole array of element type <f4, <i4 or <i8. InputError for any other file.
NpyArray read_npy(const std::filesystem::path& path);

}  // namespace refocus
