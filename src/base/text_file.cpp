#include "base/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file_kind.h"

namespace refocus {

const char* write_remedy(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return "make its directory first, or choose another place";
    case EISDIR:
      return "name a file, not a directory";
    case EACCES:
    case EPERM:
    case EROFS:
      return "check its permissions, or choose another place";
    case ENAMETOOLONG:
    case ELOOP:
      return "choose another name";
    case EINVAL:
    case ENXIO:
    case ESPIPE:
      return "name a plain file, not a device";
    case EMFILE:
    case ENFILE:
      return "allow more open files (ulimit -n)";
    default:
      return "free some space or choose another place";
  }
}

std::string read_binary_file(const std::filesystem::path& path) {
  const auto refuse = [&](int error) {
    return input_error(path.string(), "cannot be read: {}; {}", std::strerror(error), read_remedy(error));
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw refuse(errno);
  std::string text;
  for (std::array<char, 1 << 16> part;;) {
    const ssize_t n = ::read(fd, part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) {
      text.append(part.data(), static_cast<std::size_t>(n));
      continue;
    }
    const int error = n < 0 ? errno : 0;
    ::close(fd);
    if (error != 0) throw refuse(error);
    if (text.size() < 1024 && text.starts_with("version https://git-lfs")) {
      throw input_error(path.string(),
                        "expected the file itself, got a Git LFS pointer; fetch it with 'git lfs pull'");
    }
    return text;
  }
}

std::string read_text_file(const std::filesystem::path& path) {
  std::string text = read_binary_file(path);
  text.erase(0, text.size() - without_byte_order_mark(text, path.string()).size());
  return text;
}

std::string_view without_byte_order_mark(std::string_view text, const std::string& where) {
  if (text.starts_with(kByteOrderMark)) return text.substr(kByteOrderMark.size());
  for (const std::string_view other : {"\xFF\xFE", "\xFE\xFF"}) {
    if (!text.starts_with(other)) continue;
    throw input_error(where,
                      "expected UTF-8, got the byte order mark of UTF-16; convert the file, as with "
                      "iconv -f UTF-16 -t UTF-8");
  }
  return text;
}

namespace {

// Writes all of `content`; 0, or the errno of the first failure.
int write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : EIO;
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return ::fsync(fd) == 0 ? 0 : errno;
}

}  // namespace

void check_replaceable(const std::filesystem::path& path) {
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  if (!std::filesystem::exists(status) || std::filesystem::is_regular_file(status)) return;
  const bool directory = std::filesystem::is_directory(status);
  throw input_error(path.string(), "cannot be written: expected the name of a file, got a {}; {}",
                    directory ? "directory" : "device or pipe",
                    directory ? write_remedy(EISDIR) : "choose another place");
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  check_replaceable(path);
  std::filesystem::path temporary = path;
  temporary += fmt::format(".tmp{}", ::getpid());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0)
    throw input_error(path.string(), "cannot be written: {}; {}", std::strerror(errno), write_remedy(errno));
  int failure = write_all(fd, content);
  if (::close(fd) != 0 && failure == 0) failure = errno;
  if (failure == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) failure = errno;
  if (failure != 0) {
    ::unlink(temporary.c_str());
    throw input_error(path.string(), "cannot be written: {}; {}", std::strerror(failure),
                      write_remedy(failure));
  }
}

}  // namespace refocus
