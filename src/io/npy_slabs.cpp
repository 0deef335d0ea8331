#include "io/npy_slabs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/text_file.h"
#include "io/npy.h"
#include "io/weight_file.h"

namespace refocus {

namespace {

std::string_view descr_of(NpyType type) {
  return type == NpyType::kF32 ? "<f4" : type == NpyType::kI32 ? "<i4" : "<i8";
}

std::int64_t bytes_of(NpyType type) { return type == NpyType::kI64 ? 8 : 4; }

}  // namespace

NpySlabs::NpySlabs(std::filesystem::path path, NpyType type, std::vector<std::int64_t> shape)
    : path_(std::move(path)), type_(type), shape_(std::move(shape)) {
  REFOCUS_CHECK(!shape_.empty());
  for (std::size_t i = 1; i < shape_.size(); ++i) row_elements_ *= shape_[i];
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd_ < 0) fail(errno);
  write_header();
  const std::int64_t elements = grows() ? 0 : shape_[0] * row_elements_;
  if (::ftruncate(fd_, header_bytes_ + elements * bytes_of(type)) != 0) fail(errno);
}

void NpySlabs::write_header() {
  const std::string header = npy_header(descr_of(type_), shape_);
  header_bytes_ = static_cast<std::int64_t>(header.size());
  const ssize_t n = ::pwrite(fd_, header.data(), header.size(), 0);
  if (n != header_bytes_) fail(n < 0 ? errno : ENOSPC);
}

NpySlabs::~NpySlabs() {
  if (fd_ >= 0) ::close(fd_);
}

void NpySlabs::fail(int error) const {
  throw input_error(where_of(path_), "cannot be written: {}; {}", std::strerror(error), write_remedy(error));
}

void NpySlabs::write_bytes(std::int64_t first, std::span<const std::byte> bytes, NpyType type) {
  REFOCUS_CHECK(fd_ >= 0 && type == type_ && first >= 0);
  const std::int64_t end = first + static_cast<std::int64_t>(bytes.size()) / bytes_of(type_);
  REFOCUS_CHECK(grows() || end <= shape_[0] * row_elements_);
  if (grows()) end_ = std::max(end_, end);
  std::int64_t at = header_bytes_ + first * bytes_of(type_);
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(n < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    at += n;
  }
}

void NpySlabs::write(std::int64_t first, std::span<const float> elements) {
  write_bytes(first, std::as_bytes(elements), NpyType::kF32);
}
void NpySlabs::write(std::int64_t first, std::span<const std::int32_t> elements) {
  write_bytes(first, std::as_bytes(elements), NpyType::kI32);
}
void NpySlabs::write(std::int64_t first, std::span<const std::int64_t> elements) {
  write_bytes(first, std::as_bytes(elements), NpyType::kI64);
}

void NpySlabs::finish() {
  REFOCUS_CHECK(fd_ >= 0);
  if (grows()) {
    REFOCUS_CHECK(end_ % row_elements_ == 0);
    shape_[0] = end_ / row_elements_;
    write_header();  // as long as before: NumPy leaves room for any first dimension
  }
  if (::fsync(fd_) != 0) fail(errno);
  if (::close(std::exchange(fd_, -1)) != 0) fail(errno);
}

}  // namespace refocus
