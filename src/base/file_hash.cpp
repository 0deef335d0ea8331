#include "base/file_hash.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"

namespace refocus {

namespace {

constexpr std::size_t kBuffer = std::size_t{256} << 10;  // stays in a processor's own cache

FileStamp stamp_of(const struct stat& status) {
  const auto nanoseconds = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  return {status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
          nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

// An open file.
class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path)
      : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0)
      throw input_error(path.string(), "cannot be opened: {}; check the path", std::strerror(errno));
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void expect(const FileStamp& stamp) const {
    struct stat status {};
    if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode) || stamp_of(status) != stamp) {
      refuse_changed_file(path_);
    }
  }
  void read_soon(std::size_t begin, std::size_t bytes) const {
    ::posix_fadvise(fd_, static_cast<off_t>(begin), static_cast<off_t>(bytes), POSIX_FADV_WILLNEED);
  }
  void read(std::byte* to, std::size_t begin, std::size_t bytes) const {
    while (bytes > 0) {
      const ssize_t got = ::pread(fd_, to, bytes, static_cast<off_t>(begin));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0)
        throw input_error(path_.string(), "cannot be read: {}; check the disk", std::strerror(errno));
      if (got == 0) refuse_changed_file(path_);
      to += got;
      begin += static_cast<std::size_t>(got);
      bytes -= static_cast<std::size_t>(got);
    }
  }

 private:
  const std::filesystem::path& path_;
  int fd_;
};

struct FreeState {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

// One thread's memory.
struct Worker {
  std::unique_ptr<XXH3_state_t, FreeState> state{XXH3_createState()};
  std::vector<std::byte> buffer = std::vector<std::byte>(kBuffer);

  XXH128_hash_t hash(const Descriptor& file, std::size_t begin, std::size_t end) {
    file.read_soon(begin, end - begin);
    XXH3_128bits_reset(state.get());
    while (begin < end) {
      const std::size_t bytes = std::min(kBuffer, end - begin);
      file.read(buffer.data(), begin, bytes);
      XXH3_128bits_update(state.get(), buffer.data(), bytes);
      begin += bytes;
    }
    return XXH3_128bits_digest(state.get());
  }
};

}  // namespace

FileStamp stamp_of(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    throw input_error(path.string(), "cannot be read: {}; check the path", std::strerror(errno));
  }
  return stamp_of(status);
}

void refuse_changed_file(const std::filesystem::path& path) {
  throw input_error(
      path.string(),
      "expected a file that stays as it is while it is in use, got one that has changed; repeat the "
      "command when nothing writes it any more");
}

std::string hash_file(const std::filesystem::path& path, const FileStamp& stamp, ThreadPool& pool,
                      const OnHashed& on_hashed) {
  const Descriptor file(path);
  file.expect(stamp);
  const std::size_t stretches = (stamp.bytes + kHashedStretch - 1) / kHashedStretch;
  std::vector<XXH128_canonical_t> hashes(stretches);
  std::vector<std::unique_ptr<Worker>> workers(static_cast<std::size_t>(pool.size()));
  std::mutex telling;
  pool.parallel_for(static_cast<std::int64_t>(stretches), [&](std::int64_t task, int thread) {
    auto& worker = workers[static_cast<std::size_t>(thread)];
    if (!worker) worker = std::make_unique<Worker>();
    const std::size_t begin = static_cast<std::size_t>(task) * kHashedStretch;
    const std::size_t end = std::min<std::size_t>(begin + kHashedStretch, stamp.bytes);
    XXH128_canonicalFromHash(&hashes[static_cast<std::size_t>(task)], worker->hash(file, begin, end));
    if (!on_hashed) return;
    const std::lock_guard lock(telling);
    on_hashed(static_cast<std::int64_t>(end - begin));
  });
  file.expect(stamp);
  const XXH128_hash_t all =
      XXH3_128bits_withSeed(hashes.data(), hashes.size() * sizeof(XXH128_canonical_t), stamp.bytes);
  return fmt::format("{:016x}{:016x}", all.high64, all.low64);
}

}  // namespace refocus
