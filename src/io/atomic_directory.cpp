#include "io/atomic_directory.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/text_file.h"
#include "io/weight_file.h"

namespace refocus {

namespace fs = std::filesystem;

namespace {

// "a/b/" and "a/b/." are "a/b": a rename wants the name itself.
fs::path without_slash(const fs::path& path) {
  fs::path out = path.lexically_normal();
  return out.has_filename() ? out : out.parent_path();
}

[[noreturn]] void fail(const fs::path& path, int error) {
  throw input_error(where_of(path), "cannot be written: {}; {}", std::strerror(error), write_remedy(error));
}

bool is_replaceable(const fs::path& path, const std::string& marker) {
  std::error_code error;
  if (!fs::is_directory(fs::symlink_status(path, error))) return false;
  return fs::exists(path / marker, error) || fs::is_empty(path, error);
}

}  // namespace

AtomicDirectory::AtomicDirectory(fs::path path, const std::string& replaced_if, const std::string& remedy)
    : path_(without_slash(path)), replace_(!replaced_if.empty()) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(path_, error))) {
    if (!replace_) {
      throw input_error(where_of(path_), "expected a name that is not taken, got one that exists; {}",
                        remedy);
    }
    if (!is_replaceable(path_, replaced_if)) {
      throw input_error(where_of(path_),
                        "expected a directory with {} or an empty one to replace, got another; {}",
                        replaced_if, remedy);
    }
  }
  for (int number = 0;; ++number) {
    temporary_ = path_;
    temporary_ += fmt::format(".tmp{}.{}", ::getpid(), number);
    if (::mkdir(temporary_.c_str(), 0755) == 0) return;
    if (errno != EEXIST) fail(path_, errno);
  }
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
}

// Some file systems know no exchange: there the old directory is moved away first.
void AtomicDirectory::replace() {
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0) {
    std::swap(old_, temporary_);
  } else {
    old_ = temporary_;
    old_ += ".old";
    if (::rename(path_.c_str(), old_.c_str()) != 0) fail(path_, errno);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
      const int error = errno;
      [[maybe_unused]] const int undone = ::rename(old_.c_str(), path_.c_str());
      fail(path_, error);
    }
  }
  committed_ = true;
  std::error_code ignored;
  fs::remove_all(old_, ignored);
}

void AtomicDirectory::commit() {
  std::error_code error;
  if (replace_ && fs::exists(fs::symlink_status(path_, error))) {
    replace();
  } else if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0) {
    // rename() alone would replace an empty directory that has come there since.
    if (errno != EINVAL && errno != ENOSYS) fail(path_, errno);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(path_, errno);
  }
  committed_ = true;
  const fs::path parent = path_.has_parent_path() ? path_.parent_path() : fs::path(".");
  if (const int fd = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); fd >= 0) {
    ::fsync(fd);
    ::close(fd);
  }
}

}  // namespace refocus
