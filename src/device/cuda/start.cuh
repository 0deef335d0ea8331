// Kernels that may begin before the one ahead of them in the stream has ended (programmatic dependent launch,
// CUDA C++ Programming Guide), so that what they read of weights is under way while that one ends.
//
// Such a kernel calls begin_work() before it reads anything that a kernel writes, and before it writes: then
// all work ahead of it is done. Only kernels that do are started with start(). All others wait for the end of
// what is ahead of them, as ever.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <utility>

#include "device/cuda/launch.h"

namespace refocus::cuda {

// Waits for the kernels ahead, and lets the one behind begin.
__device__ __forceinline__ void begin_work() {
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  asm volatile("griddepcontrol.wait;" ::: "memory");
}

template <class... Parameters, class... Arguments>
void start(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
           cudaStream_t stream, Arguments&&... arguments) {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = 1;
  check(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), "starting a kernel");
}

}  // namespace refocus::cuda
