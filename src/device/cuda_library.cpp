// Loads the library of the CUDA device and asks it for one.
#include "device/cuda_library.h"

#include <dlfcn.h>

#include <memory>

#include "base/error.h"
#include "base/loaded_library.h"

namespace refocus {

namespace {

constexpr char kWhere[] = "device cuda";

}  // namespace

std::unique_ptr<Device> make_cuda_device(int number) {
  static void* const library =
      load_library({kWhere,
                    kCudaLibrary,
                    kCudaLibraryVariable,
                    {},
                    "build the program with -DREFOCUS_CUDA=ON, which needs nvcc of CUDA 12 or later"});
  const auto make = reinterpret_cast<CudaFunction>(dlsym(library, kCudaFunction));
  if (make == nullptr) {
    throw input_error(kWhere, "expected {} in {}, got a library without it; build both anew", kCudaFunction,
                      kCudaLibrary);
  }
  char error[1024] = "";
  std::unique_ptr<Device> device(make(kDeviceAbi, number, error, sizeof error));
  if (device == nullptr) throw InputError(kWhere, error);
  return device;
}

}  // namespace refocus
