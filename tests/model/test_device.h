// The device that engine tests run on: none, the processor, unless REFOCUS_TEST_DEVICE names one: reference
// (the plain twin of src/device/reference), or cuda. There all products are those of float32 activations, so
// that the same expectations hold. REFOCUS_SIMD limits the instruction set, as it does the program's.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "device/device.h"
#include "kernels/instruction_set.h"
#include "model/linear_products.h"
#include "support.h"

namespace refocus::testing {

inline std::shared_ptr<Device> test_device() {
  static const std::shared_ptr<Device> kDevice = []() -> std::shared_ptr<Device> {
    if (const char* simd = std::getenv("REFOCUS_SIMD")) limit_instruction_set(simd, "REFOCUS_SIMD");
    const char* name = std::getenv("REFOCUS_TEST_DEVICE");
    if (name == nullptr) return nullptr;
    if (std::string(name) == "reference") return make_reference_device();
    if (std::string(name) == "cuda") return make_cuda_device();
    ADD_FAILURE() << "REFOCUS_TEST_DEVICE: expected reference or cuda, got " << name;
    return nullptr;
  }();
  return kDevice;
}

inline Activations test_activations(Activations on_processor = Activations::kInt8) {
  return test_device() ? Activations::kF32 : on_processor;
}

}  // namespace refocus::testing
