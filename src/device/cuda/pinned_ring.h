// Slots of pinned memory of the processor, used in turn: a slot is filled while the copies from those before
// it are under way.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <vector>

#include "device/cuda/launch.h"

namespace refocus::cuda {

class PinnedRing {
 public:
  PinnedRing(std::size_t slots, std::size_t bytes) : bytes_(bytes), copied_(slots, nullptr) {
    try {
      for (cudaEvent_t& event : copied_) {
        check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
      }
      check(cudaMallocHost(&memory_, slots * bytes), "allocating pinned memory");
    } catch (...) {
      destroy_events();
      throw;
    }
  }
  ~PinnedRing() {
    for (const cudaEvent_t event : copied_) static_cast<void>(cudaEventSynchronize(event));
    static_cast<void>(cudaFreeHost(memory_));
    destroy_events();
  }
  PinnedRing(const PinnedRing&) = delete;
  PinnedRing& operator=(const PinnedRing&) = delete;

  std::size_t bytes() const { return bytes_; }  // of a slot

  // The next slot, once the last copy from it is done.
  void* take() {
    check(cudaEventSynchronize(copied_[next_]), "waiting for a copy");
    return static_cast<std::byte*>(memory_) + next_ * bytes_;
  }
  // After the copy from the slot taken last was asked for.
  void give_back(cudaStream_t stream) {
    check(cudaEventRecord(copied_[next_], stream), "noting a copy");
    next_ = (next_ + 1) % copied_.size();
  }

 private:
  void destroy_events() {
    for (const cudaEvent_t event : copied_) {
      if (event != nullptr) static_cast<void>(cudaEventDestroy(event));
    }
  }

  std::size_t bytes_ = 0, next_ = 0;
  void* memory_ = nullptr;
  std::vector<cudaEvent_t> copied_;
};

}  // namespace refocus::cuda
