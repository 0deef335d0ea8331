#include "io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/text_file.h"
#include "io/weight_file.h"

namespace refocus {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 18;

// Two writers, in this process or another, never share a temporary name.
std::atomic<unsigned> next_number{0};

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  check_replaceable(path_);
  do {
    temporary_ = path_;
    temporary_ += fmt::format(".tmp{}.{}", ::getpid(), next_number++);
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  } while (fd_ < 0 && errno == EEXIST);
  if (fd_ < 0) fail(errno);
  buffer_.reserve(kBufferBytes);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::fail(int error) const {
  throw input_error(where_of(path_), "cannot be written: {}; {}", std::strerror(error), write_remedy(error));
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  REFOCUS_CHECK(fd_ >= 0);
  if (buffer_.size() + bytes.size() > kBufferBytes) flush();
  if (bytes.size() > kBufferBytes) {
    write_through(bytes);
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

void AtomicFile::overwrite_start(std::string_view text) {
  flush();
  if (::lseek(fd_, 0, SEEK_SET) < 0) fail(errno);
  write_through(std::as_bytes(std::span(text.data(), text.size())));
  if (::lseek(fd_, 0, SEEK_END) < 0) fail(errno);
}

void AtomicFile::flush() {
  write_through(buffer_);
  buffer_.clear();
}

void AtomicFile::write_through(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(n < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void AtomicFile::commit() {
  REFOCUS_CHECK(fd_ >= 0);
  flush();
  if (::fsync(fd_) != 0) fail(errno);
  if (::close(std::exchange(fd_, -1)) != 0) fail(errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(errno);
  committed_ = true;
}

}  // namespace refocus
