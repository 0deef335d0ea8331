// The folders of a path, made for output that may yet come to nothing.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace refocus {

// Makes `path` and the folders above it. undo() takes away again those that were absent, as far as nothing is
// in them: a command that fails before it writes leaves nothing behind.
class MadeDirectories {
 public:
  // InputError, ending with `remedy`, where they cannot be made; nothing is left of them then.
  MadeDirectories(const std::filesystem::path& path, const std::string& remedy);
  void undo();

 private:
  std::vector<std::filesystem::path> made_;  // innermost first
};

}  // namespace refocus
