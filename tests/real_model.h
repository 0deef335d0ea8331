// The real models that scripts/fetch_models fetches, where they are.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace refocus::testing {

// The folder of the GGUF files; it may not be there.
inline std::filesystem::path real_models() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::filesystem::path root =
      cache != nullptr ? cache : std::filesystem::path(home != nullptr ? home : "/") / ".cache";
  return root / "refocus" / "models";
}

}  // namespace refocus::testing
