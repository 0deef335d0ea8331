// A directory that appears under its name only when all of it is written.
#pragma once

#include <filesystem>
#include <string>

namespace refocus {

// Files go into a temporary directory beside `path`. commit() renames it to `path`; where commit() is never
// reached, the destructor removes it and `path` is as before.
class AtomicDirectory {
 public:
  // With `replaced_if` a directory at `path` is replaced by commit() where it is empty or holds a file of
  // that name; it is an InputError, before anything is written, where it does not. Without, anything at
  // `path` is one. `remedy` ends the message for what is there already.
  AtomicDirectory(std::filesystem::path path, const std::string& replaced_if, const std::string& remedy);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  // Where to write until then.
  const std::filesystem::path& path() const { return temporary_; }
  void commit();

 private:
  void replace();

  std::filesystem::path path_, temporary_, old_;
  bool replace_, committed_ = false;
};

}  // namespace refocus
