// Loads the library of the CUDA device and asks it for one.
#include "device/cuda_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"

namespace refocus {

namespace {

constexpr char kWhere[] = "device cuda";

// Where the library may be, in the order in which it is looked for.
std::vector<std::string> candidates() {
  if (const char* said = std::getenv(kCudaLibraryVariable); said != nullptr && *said != '\0') return {said};
  std::vector<std::string> paths;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) paths.push_back((program.parent_path() / kCudaLibrary).string());
  paths.emplace_back(kCudaLibrary);
  return paths;
}

void* open_library() {
  std::string failure;
  for (const std::string& path : candidates()) {
    // A path that is there says the true reason; that the system's search finds nothing says little.
    std::error_code error;
    const bool is_path = path.find('/') != std::string::npos;
    if (is_path && !std::filesystem::exists(path, error)) {
      failure += (failure.empty() ? "no file " : ", no file ") + printable(path, 300);
      continue;
    }
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    const char* reason = dlerror();
    failure += (failure.empty() ? "" : ", ") + printable(reason != nullptr ? reason : path, 300);
    if (is_path) break;
  }
  throw input_error(kWhere,
                    "expected the library {}, got {}; build the program with -DREFOCUS_CUDA=ON, which needs "
                    "nvcc of CUDA 12 or later, or name the library in {}",
                    kCudaLibrary, failure, kCudaLibraryVariable);
}

}  // namespace

std::unique_ptr<Device> make_cuda_device(int number) {
  // Never closed: the device's code and its exceptions live in it.
  static void* const library = open_library();
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
