// Hashes of files remembered in a file of the user's, so that large files are read once.
//
// A line is CHECKSUM HASH DEVICE INODE BYTES MTIME CTIME PATH: the hash holds for a file that lies there with
// exactly these signs. A line that is damaged counts as absent. Several processes may use the file at once:
// it is replaced as a whole, with what others have added. Where it cannot be read or written, nothing is
// remembered.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/file_hash.h"

namespace refocus {

class HashCache {
 public:
  // An empty path: remembers nothing beyond the object.
  explicit HashCache(std::filesystem::path file);

  // The hash of the file `path`, links resolved, if it was remembered and the stamp is still the same.
  std::optional<std::string> find(const std::filesystem::path& path, const FileStamp& stamp) const;

  // Remembers a hash whose reading began at `begun`, nanoseconds since 1970. A file that was touched less
  // than two seconds before could be changed once more without a new time, and is not remembered.
  void add(const std::filesystem::path& path, const FileStamp& stamp, const std::string& hash,
           std::int64_t begun);

  // Writes what was added, if anything was.
  void save();

 private:
  struct Entry {
    FileStamp stamp;
    std::string hash;
    std::uint64_t age = 0;  // place in the file: the oldest entries go first when it is full
  };
  void read();
  void keep(const std::string& line);
  std::string text() const;

  std::filesystem::path file_;
  std::map<std::string, Entry> entries_;  // by path
  std::map<std::string, Entry> added_;
  std::uint64_t next_age_ = 0;
};

// refocus/file-hashes in $XDG_CACHE_HOME, which must be absolute, or else in ~/.cache; empty where there is
// no home.
std::filesystem::path default_hash_cache();

// The clock that files' times are of, nanoseconds since 1970.
std::int64_t file_clock_now();

}  // namespace refocus
