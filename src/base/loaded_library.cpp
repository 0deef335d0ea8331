#include "base/loaded_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/error.h"

namespace refocus {

namespace {

// Where the library may be, in the order in which it is looked for.
std::vector<std::string> candidates(const LoadedLibrary& library) {
  if (const char* said = std::getenv(library.variable); said != nullptr && *said != '\0') return {said};
  std::vector<std::string> paths;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    paths.push_back((program.parent_path() / library.name).string());
    for (const std::string& folder : library.folders) {
      paths.push_back((program.parent_path() / folder / library.name).lexically_normal().string());
    }
  }
  paths.emplace_back(library.name);
  return paths;
}

}  // namespace

void* load_library(const LoadedLibrary& library) {
  std::string failure;
  for (const std::string& path : candidates(library)) {
    // A path that is there says the true reason; that the system's search finds nothing says little.
    std::error_code error;
    const bool is_path = path.find('/') != std::string::npos;
    if (is_path && !std::filesystem::exists(path, error)) {
      failure += (failure.empty() ? "no file " : ", no file ") + printable(path, 300);
      continue;
    }
    const int names = library.shares_names ? RTLD_GLOBAL : RTLD_LOCAL;
    if (void* loaded = dlopen(path.c_str(), RTLD_NOW | names)) return loaded;
    const char* reason = dlerror();
    failure += (failure.empty() ? "" : ", ") + printable(reason != nullptr ? reason : path, 300);
    if (is_path) break;
  }
  throw input_error(library.where, "expected the library {}, got {}; {}, or name the library in {}",
                    library.name, failure, library.remedy, library.variable);
}

}  // namespace refocus
