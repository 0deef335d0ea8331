// Which GPU, and whether it can be used: says the true cause where not.
#include <stdexcept>

#include "device/cuda/launch.h"

namespace refocus::cuda {

namespace {

__global__ void probe() {}

}  // namespace

std::string version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

void select_device(int number) {
  int count = 0, driver = 0, runtime = 0;
  static_cast<void>(cudaDriverGetVersion(&driver));
  static_cast<void>(cudaRuntimeGetVersion(&runtime));
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (driver == 0) {
    throw std::runtime_error(
        "expected an NVIDIA driver, got none (no libcuda.so.1); install the driver of the GPU");
  }
  if (status == cudaErrorInsufficientDriver) {
    throw std::runtime_error(
        fmt::format("expected an NVIDIA driver of CUDA {} or later, got one of CUDA {}; update it",
                    version_text(runtime), version_text(driver)));
  }
  if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0)) {
    throw std::runtime_error(
        "expected a CUDA device, got a driver that shows none; see what nvidia-smi and CUDA_VISIBLE_DEVICES "
        "say");
  }
  check(status, "counting devices");
  if (number < 0 || number >= count) {
    throw std::runtime_error(
        fmt::format("expected a device number from 0 to {}, got {}; name another one", count - 1, number));
  }
  check(cudaSetDevice(number), "selecting the device");
  probe<<<1, 1>>>();
  const cudaError_t launched = cudaGetLastError();
  if (launched == cudaErrorNoKernelImageForDevice || launched == cudaErrorInvalidDeviceFunction ||
      launched == cudaErrorUnsupportedPtxVersion) {
    cudaDeviceProp facts{};
    check(cudaGetDeviceProperties(&facts, number), "describing the device");
    throw std::runtime_error(fmt::format(
        "expected a device that the library has kernels for (by default compute capability 9.0 or later), "
        "got {} of {}.{}; build with -DCMAKE_CUDA_ARCHITECTURES of the device where it is later",
        facts.name, facts.major, facts.minor));
  }
  check(launched, "starting a kernel");
  check(cudaDeviceSynchronize(), "running a kernel");
}

}  // namespace refocus::cuda
