// Loads the library that speaks MPI.
#include "comm/cluster_library.h"

#include <dlfcn.h>

#include "base/error.h"
#include "base/loaded_library.h"

namespace refocus {

namespace {

constexpr char kWhere[] = "cluster";

}  // namespace

std::unique_ptr<Communicator> open_cluster() {
  // Open MPI loads components of its own, which look for its names.
  static void* const library = load_library({kWhere,
                                             kClusterLibrary,
                                             kClusterLibraryVariable,
                                             {"../lib/refocus"},
                                             "build the program where Open MPI is (libopenmpi-dev)",
                                             /*shares_names=*/true});
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
