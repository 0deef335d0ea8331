// How a model is to be run: what -m and the options of running say, and what a call in a program says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "architecture/model_config.h"
#include "device/device.h"
#include "model/linear_products.h"
#include "tensor/dtype.h"

namespace refocus {

struct OpenSettings {
  std::string model;  // as resolve_model (opened/bundled.h) reads it; empty for the bundled one
  int threads = 0;    // 0: as many as the process may use
  bool pin = false;
  std::int64_t context = 0;        // 0: the model's own
  std::int64_t kv_memory_mib = 0;  // 0: chosen from the free memory
  std::string device = "cpu";      // or "cuda", "cuda:N"
  std::string kv_type =
      {};  // one of kv_names(); empty: f16 on a device that computes in half precision, or f32
  std::string activations = {};  // int8, bf16, f32 or f16; empty: f16 on a device, else int8
  std::string adapter = {};      // a PEFT adapter's directory, or empty
  // Processes that compute the model together (model/partition.h): stages, and ranks of each.
  std::int64_t pipeline = 1, tensor = 1;

  bool is_shared() const { return pipeline * tensor > 1; }
  bool on_cpu() const { return device == "cpu"; }
  DType kv() const;
  std::string kv_name() const;
  Activations activation_type() const;
  std::int64_t context_for(const ModelConfig& config) const {
    return context > 0 ? context : config.context_length();
  }
};

// "f32", "f16", "q8_0".
std::vector<std::string> kv_names();
// "int8", "bf16", "f32", "f16".
std::vector<std::string> activation_names();

// Of "cuda" or "cuda:N"; nothing for another text.
std::optional<int> device_number(std::string_view text);

// UsageError, in the names of the options, for what a model of several processes does not do.
void check_shared(const OpenSettings& settings);

// The device, or null for the processor. UsageError, in the names of the options, for what does not go
// together.
std::shared_ptr<Device> open_device(const OpenSettings& settings);

}  // namespace refocus
