// Loads the library that speaks MPI.
#include "comm/cluster_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"

namespace refocus {

namespace {

constexpr char kWhere[] = "cluster";

// Where the library may be, in the order in which it is looked for.
std::vector<std::string> candidates() {
  if (const char* said = std::getenv(kClusterLibraryVariable); said != nullptr && *said != '\0')
    return {said};
  std::vector<std::string> paths;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    paths.push_back((program.parent_path() / kClusterLibrary).string());
    paths.push_back((program.parent_path().parent_path() / "lib" / "refocus" / kClusterLibrary).string());
  }
  paths.emplace_back(kClusterLibrary);
  return paths;
}

void* open_library() {
  std::string failure;
  for (const std::string& path : candidates()) {
    std::error_code error;
    const bool is_path = path.find('/') != std::string::npos;
    if (is_path && !std::filesystem::exists(path, error)) {
      failure += (failure.empty() ? "no file " : ", no file ") + printable(path, 300);
      continue;
    }
    // Global: Open MPI loads components of its own, which look for its names.
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL)) return library;
    const char* reason = dlerror();
    failure += (failure.empty() ? "" : ", ") + printable(reason != nullptr ? reason : path, 300);
    if (is_path) break;
  }
  throw input_error(
      kWhere,
      "expected the library {}, got {}; build the program where Open MPI is (libopenmpi-dev), or "
      "name the library in {}",
      kClusterLibrary, failure, kClusterLibraryVariable);
}

}  // namespace

std::unique_ptr<Communicator> open_cluster() {
  // Never closed: the communicator's code lives in it.
  static void* const library = open_library();
  const auto make = reinterpret_cast<ClusterFunction>(dlsym(library, kClusterFunction));
  if (make == nullptr) {
    throw input_error(kWhere, "expected {} in {}, got a library without it; build both anew",
                      kClusterFunction, kClusterLibrary);
  }
  char error[1024] = "";
  std::unique_ptr<Communicator> comm(make(kClusterAbi, error, sizeof error));
  if (comm == nullptr) throw InputError(kWhere, error);
  return comm;
}

}  // namespace refocus
