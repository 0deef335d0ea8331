// LoRA adapters in the layout of Hugging Face's PEFT library: a directory with adapter_config.json and
// adapter_model.safetensors (or adapter_model.bin), read as PEFT 0.21.2 reads it.
//
// Tensors are base_model.model.MATRIX.lora_A.weight [r, inputs] and .lora_B.weight [outputs, r], for instance
// with MATRIX model.layers.0.self_attn.q_proj. The weights change by scale B A, scale = lora_alpha / r, or
// lora_alpha / sqrt(r) with use_rslora. Which matrices, and their r and lora_alpha: peft_targets.h; names of
// tensors: peft_tensors.h.
#pragma once

#include <filesystem>

#include "tensor/adapter.h"

namespace refocus {

inline constexpr const char* kAdapterWeightsName = "adapter_model.safetensors";

// Reads F32, F16 and BF16 tensors, for the model `base`. InputError where a file is missing or damaged, the
// two do not fit together or to the model, a value is not finite, or the adapter has what the program does
// not compute (DoRA, trained biases, modules_to_save, ...): the message names it. What has no effect, in PEFT
// either, is in the result's warnings.
Adapter read_peft_adapter(const std::filesystem::path& directory, const AdapterBase& base);

// Whether the directory looks like one.
bool is_peft_adapter(const std::filesystem::path& directory);

}  // namespace refocus
