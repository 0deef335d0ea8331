// A hash of a whole file, by all threads, and the signs by which a file is known to be unchanged.
//
// The hash is XXH3 with 128 bits (Y. Collet, xxhash.com): of each stretch of 8 MiB, and then of these hashes
// in their order with the file's size. It tells files apart that were not made to deceive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace refocus {

class ThreadPool;

// Of a file as it was at one moment. A link stands for the file that it leads to.
struct FileStamp {
  std::uint64_t device = 0, inode = 0, bytes = 0;
  std::int64_t modified = 0, changed = 0;  // mtime and ctime in nanoseconds since 1970

  bool operator==(const FileStamp&) const = default;
};

// InputError where there is no such file.
FileStamp stamp_of(const std::filesystem::path& path);

// Called with each number of bytes that has been hashed, by any thread, one at a time.
using OnHashed = std::function<void(std::int64_t)>;

inline constexpr std::size_t kHashedStretch = std::size_t{8} << 20;

// 32 hexadecimal digits; the number of threads does not matter. InputError where the file cannot be read, or
// is not as `stamp` says before or after it was read.
std::string hash_file(const std::filesystem::path& path, const FileStamp& stamp, ThreadPool& pool,
                      const OnHashed& on_hashed = {});

// InputError that says that the file changed while it was in use.
[[noreturn]] void refuse_changed_file(const std::filesystem::path& path);

}  // namespace refocus
