// Tests of devices: each runs on the plain twin, and on a CUDA device where REFOCUS_TEST_CUDA=1 asks for one.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "device/device.h"

namespace refocus::testing {

inline constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();
// The unit roundoff of float32, of F16 and of BF16.
inline constexpr double kRoundoff = 0x1p-24, kHalfRoundoff = 0x1p-11, kBrainRoundoff = 0x1p-9;

class EveryDevice : public ::testing::TestWithParam<std::string> {
 protected:
  static void TearDownTestSuite() { made_.clear(); }
  void SetUp() override {
    if (is_reference()) {
      if (made_[GetParam()] == nullptr) made_[GetParam()] = make_reference_device();
    } else {
      const char* asked = std::getenv("REFOCUS_TEST_CUDA");
      if (asked == nullptr || std::string(asked) != "1")
        GTEST_SKIP() << "set REFOCUS_TEST_CUDA=1 to test CUDA";
      if (made_[GetParam()] == nullptr) made_[GetParam()] = make_cuda_device();
    }
    device_ = made_[GetParam()].get();
    free_ = device_->facts().free_bytes;
  }
  // Nothing may stay allocated. Only the plain twin counts what is its own.
  void TearDown() override {
    if (device_ == nullptr || !is_reference()) return;
    EXPECT_EQ(device_->facts().free_bytes, free_) << "not all memory was released";
  }

  bool is_reference() const { return GetParam() == "reference"; }
  Device& device() const { return *device_; }
  // The plain twin takes no notice of the precision.
  std::vector<DevicePrecision> precisions() const {
    if (is_reference()) return {DevicePrecision::kF32};
    return {DevicePrecision::kF32, DevicePrecision::kHalf};
  }

 private:
  static inline std::map<std::string, std::unique_ptr<Device>> made_;
  Device* device_ = nullptr;
  std::int64_t free_ = 0;
};

inline const char* name_of(DevicePrecision precision) {
  return precision == DevicePrecision::kF32 ? "kF32" : "kHalf";
}

// An array on the device, released with the object.
template <class T>
class OnDevice {
 public:
  OnDevice(Device& device, const std::vector<T>& values) : device_(device), size_(values.size()) {
    data_ = static_cast<T*>(device.allocate(bytes()));
    device.upload(data_, values.data(), bytes());
  }
  ~OnDevice() { device_.release(data_); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

  T* data() const { return data_; }
  std::vector<T> download() const {
    std::vector<T> out(size_);
    device_.download(out.data(), data_, bytes());
    return out;
  }

 private:
  std::size_t bytes() const { return size_ * sizeof(T); }
  Device& device_;
  std::size_t size_;
  T* data_ = nullptr;
};

inline std::vector<float> random_normals(std::size_t count, std::uint64_t seed, double scale = 1) {
  SplitMix64 random(seed);
  std::vector<float> out(count);
  for (float& v : out) v = static_cast<float>(scale * random.normal());
  return out;
}

// [rows, stride] whose gaps, from `size` on, are NaN: no result may see them, and no kernel write them.
struct Rows {
  std::int64_t rows, size, stride;
  std::vector<float> values;

  Rows(std::int64_t rows, std::int64_t size, std::int64_t stride, std::uint64_t seed, double scale = 1)
      : rows(rows), size(size), stride(stride), values(static_cast<std::size_t>(rows * stride), kNotANumber) {
    SplitMix64 random(seed);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t i = 0; i < size; ++i) row(r)[i] = static_cast<float>(scale * random.normal());
    }
  }
  float* row(std::int64_t r) { return values.data() + r * stride; }
  const float* row(std::int64_t r) const { return values.data() + r * stride; }

  // The same shape with what is on the device; fails the test where gaps were written.
  Rows read(const OnDevice<float>& from) const {
    Rows out = *this;
    out.values = from.download();
    for (std::int64_t r = 0; r < rows; ++r) {
      EXPECT_EQ(std::memcmp(out.row(r) + size, row(r) + size, static_cast<std::size_t>(stride - size) * 4), 0)
          << "the gap after row " << r << " was written";
    }
    return out;
  }
};

// Whether rows have the same bits.
inline bool same_bits(const float* a, const float* b, std::int64_t size) {
  return std::memcmp(a, b, static_cast<std::size_t>(size) * sizeof(float)) == 0;
}

}  // namespace refocus::testing

#define REFOCUS_EVERY_DEVICE(suite)                                                \
  INSTANTIATE_TEST_SUITE_P(Devices, suite, ::testing::Values("reference", "cuda"), \
                           [](const auto& info) { return info.param; })
