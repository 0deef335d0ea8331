// One process at a time in a directory: an advisory lock (flock) on DIRECTORY/lock, held as long as the
// object lives and released by the system however the process ends. The file stays; it holds the process id
// of its last holder.
#pragma once

#include <filesystem>

namespace refocus {

class DirectoryLock {
 public:
  static constexpr const char* kFileName = "lock";

  // InputError where another process (or another object of this one) holds the lock, or the file cannot be
  // written.
  // `otherwise` ends the message: what to do about it, beside waiting.
  explicit DirectoryLock(const std::filesystem::path& directory,
                         const char* otherwise = "choose another -o directory");
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

  // Whether a process (this one too) holds the lock of a directory, as far as can be told: where the lock
  // cannot be tried it is said to be held. Writes nothing.
  static bool is_held(const std::filesystem::path& directory);

  // Whether this object made the file.
  bool created() const { return created_; }

 private:
  int fd_ = -1;
  bool created_ = false;
};

}  // namespace refocus
