// A file written piece by piece that appears under its name only when it is whole.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace refocus {

// Writes go to a temporary file in the same folder. commit() flushes it to the disk and renames it over
// `path`; where commit() is never reached, the destructor removes it and `path` is as before. Every failure
// (a full disk, a missing folder) is an InputError.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  // Replaces the bytes at the start of the file, which must have been written before.
  void overwrite_start(std::string_view text);
  void commit();

  const std::filesystem::path& path() const { return path_; }

 private:
  void flush();
  void write_through(std::span<const std::byte> bytes);
  [[noreturn]] void fail(int error) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
  bool committed_ = false;
  std::vector<std::byte> buffer_;
};

}  // namespace refocus
