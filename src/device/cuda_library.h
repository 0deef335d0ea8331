// What the program and the library of the CUDA device agree on. The library is loaded while the program runs,
// so that the program needs neither CUDA's headers to be built nor a driver to run.
#pragma once

#include <cstddef>

#include "device/device.h"

namespace refocus {

// Of device.h's classes and structures: to be raised with every change of them, so that a library of another
// build is not called with other layouts.
inline constexpr int kDeviceAbi = 4;

inline constexpr char kCudaLibrary[] = "librefocus_cuda.so";
// Names another library.
inline constexpr char kCudaLibraryVariable[] = "REFOCUS_CUDA_LIBRARY";
// The library's only function. Null on failure: `error` then holds a text that ends with a zero,
// "expected X, got Y; what to do".
inline constexpr char kCudaFunction[] = "refocus_cuda_device";
using CudaFunction = Device* (*)(int abi_version, int number, char* error, std::size_t error_bytes);

}  // namespace refocus
