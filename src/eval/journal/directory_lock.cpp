#include "eval/journal/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "base/error.h"

namespace refocus {
namespace {

std::string holder(int fd) {
  std::array<char, 32> text{};
  const ssize_t n = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string pid(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  pid = pid.substr(0, pid.find_first_not_of("0123456789"));
  return pid.empty() ? "" : " (process " + pid + ")";
}

// A lock file that its last holder removed between our open and our flock locks nothing.
bool is_still_the_file(int fd, const std::filesystem::path& path) {
  struct stat ours = {}, theirs = {};
  return ::fstat(fd, &ours) == 0 && ::stat(path.c_str(), &theirs) == 0 && ours.st_ino == theirs.st_ino &&
         ours.st_dev == theirs.st_dev;
}

// 0, or the errno of the failure. is_held() of another process holds the lock for an instant, which is no
// use.
int lock_patiently(int fd) {
  for (int tries = 0;; ++tries) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
    if (errno != EWOULDBLOCK || tries == 5) return errno;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

DirectoryLock::DirectoryLock(const std::filesystem::path& directory, const char* otherwise) {
  const std::filesystem::path path = directory / kFileName;
  for (;;) {
    created_ = true;
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd_ < 0 && errno == EEXIST) {
      created_ = false;
      fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
      if (fd_ < 0 && errno == ENOENT) continue;
    }
    if (fd_ < 0) {
      throw input_error(directory.string(), "cannot be written: {}; check its permissions or {}",
                        std::strerror(errno), otherwise);
    }
    if (const int failure = lock_patiently(fd_); failure != 0) {
      const std::string by = holder(fd_);
      ::close(fd_);
      if (failure == EWOULDBLOCK) {
        throw input_error(directory.string(), "is in use by another refocus{}; wait until it ends or {}", by,
                          otherwise);
      }
      throw input_error(directory.string(), "cannot be locked: {}; choose a -o directory on a local disk",
                        std::strerror(failure));
    }
    if (is_still_the_file(fd_, path)) break;
    ::close(fd_);
  }
  // Who holds it is only for the message above, so a full disk does not matter here.
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd_, 0) == 0) static_cast<void>(::pwrite(fd_, pid.data(), pid.size(), 0) < 0);
}

bool DirectoryLock::is_held(const std::filesystem::path& directory) {
  const int fd = ::open((directory / kFileName).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return errno != ENOENT;
  const bool held = ::flock(fd, LOCK_SH | LOCK_NB) != 0;
  ::close(fd);
  return held;
}

DirectoryLock::~DirectoryLock() { ::close(fd_); }

}  // namespace refocus
