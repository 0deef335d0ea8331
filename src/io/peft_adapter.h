// LoRA adapters in the layout of Hugging Face's PEFT library: a directory with adapter_config.json and
// adapter_model.safetensors (or adapter_model.bin).
//
// Tensors are base_model.model.MATRIX.lora_A.weight [r, inputs] and .lora_B.weight [outputs, r], for instance
// with MATRIX model.layers.0.self_attn.q_proj. The weights change by scale B A, scale = lora_alpha / r, or
// lora_alpha / sqrt(r) with use_rslora; r and lora_alpha of single matrices may stand in rank_pattern and
// alpha_pattern.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/adapter.h"

namespace refocus {

inline constexpr const char* kAdapterConfigName = "adapter_config.json";
inline constexpr const char* kAdapterWeightsName = "adapter_model.safetensors";

// Reads F32, F16 and BF16 tensors. InputError where a file is missing or damaged, the two do not fit
// together, a value is not finite, or the adapter has what the program does not compute (DoRA, trained
// biases, modules_to_save, ...): the message names it.
Adapter read_peft_adapter(const std::filesystem::path& directory);

// Whether the directory looks like one.
bool is_peft_adapter(const std::filesystem::path& directory);

struct PeftConfig {
  std::int64_t rank = 8;
  double alpha = 8;
  std::vector<std::string> targets;  // "q_proj", ...
  std::string base_model;
};

// adapter_config.json as PEFT writes it.
std::string peft_config_json(const PeftConfig& config);

// "model.layers.0.self_attn.q_proj" and 'A':
// "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight".
std::string peft_tensor_name(std::string_view matrix, char factor);

}  // namespace refocus
