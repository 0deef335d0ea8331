// What the program and librefocus_cluster.so agree on. The library is loaded where the program was started as
// one of several processes, so that the program needs no MPI to be built or to run.
#pragma once

#include <cstddef>
#include <memory>

#include "comm/communicator.h"

namespace refocus {

// Of Communicator: to be raised with every change of it.
inline constexpr int kClusterAbi = 1;

inline constexpr char kClusterLibrary[] = "librefocus_cluster.so";
// Names another library.
inline constexpr char kClusterLibraryVariable[] = "REFOCUS_CLUSTER_LIBRARY";
// The library's only function: begins MPI, which ends with the process or with the communicator. Null on
// failure: `error` then holds a text that ends with a zero, "expected X, got Y; what to do".
inline constexpr char kClusterFunction[] = "refocus_cluster_communicator";
using ClusterFunction = Communicator* (*)(int abi_version, char* error, std::size_t error_bytes);

// The communicator of all processes that were started together; once in a process. InputError where the
// library cannot be loaded, or MPI not begun.
std::unique_ptr<Communicator> open_cluster();

}  // namespace refocus
