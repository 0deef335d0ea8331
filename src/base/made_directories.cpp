#include "base/made_directories.h"

#include "base/error.h"

namespace refocus {

namespace fs = std::filesystem;

MadeDirectories::MadeDirectories(const fs::path& path, const std::string& remedy) {
  std::error_code error;
  const fs::path full = fs::absolute(path, error).lexically_normal();
  for (fs::path at = full; !at.empty() && !fs::exists(at, error) && at != at.parent_path();
       at = at.parent_path()) {
    if (at.has_filename()) made_.push_back(at);
  }
  fs::create_directories(full, error);
  if (error) {
    undo();
    throw input_error(path.string(), "cannot be made: {}; {}", error.message(), remedy);
  }
}

void MadeDirectories::undo() {
  std::error_code ignored;
  for (const fs::path& path : made_) fs::remove(path, ignored);
  made_.clear();
}

}  // namespace refocus
