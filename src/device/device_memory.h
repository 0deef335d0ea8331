// Memory on a device that is given back with its owner.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "device/device.h"

namespace refocus {

class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(Device& device, std::size_t bytes)
      : device_(&device), data_(device.allocate(bytes)), bytes_(bytes) {}
  ~DeviceMemory() {
    if (data_ != nullptr) device_->release(data_);
  }
  DeviceMemory(DeviceMemory&& other) noexcept
      : device_(other.device_),
        data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  std::size_t bytes() const { return bytes_; }
  explicit operator bool() const { return data_ != nullptr; }

  // Room for so many bytes; what it held is lost where it grows.
  void grow(Device& device, std::size_t bytes) {
    if (bytes <= bytes_) return;
    *this = DeviceMemory();  // first, so that both need not fit
    *this = DeviceMemory(device, bytes);
  }

 private:
  Device* device_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// A copy of numbers on the device; none where there are none.
template <class T>
DeviceMemory on_device(Device& device, std::span<const T> values) {
  if (values.empty()) return {};
  DeviceMemory out(device, values.size_bytes());
  device.upload(out.data(), values.data(), values.size_bytes());
  return out;
}

}  // namespace refocus
