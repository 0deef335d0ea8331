// GGUF's names of tensors, which are the same for all families, and a family's own names in Hugging Face's
// files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "architecture/tensor_names.h"

namespace refocus {

// The frequency factors of RoPE, [rotary_dim / 2]: each angle is divided by its factor. GGUF files have them
// for llama3 scaling as rope_freqs.weight, and for longrope as rope_factors_short and _long; Hugging Face's
// have none.
inline constexpr std::string_view kRopeFactorsName = "model.rope_frequency_factors";
inline constexpr std::string_view kGgufRopeFactorsName = "rope_freqs.weight";

// A tensor's Hugging Face name from its GGUF name and the other way round ("blk.0.attn_q.weight" is
// "model.layers.0.self_attn.q_proj.weight" of a llama); empty where the family has no such tensor. The
// experts of a layer, one tensor in GGUF, are named "...experts.gate_proj.weight" with the family's name of
// one expert's part.
std::string hugging_face_name(const TensorNames& names, std::string_view gguf_name);
std::string gguf_name(const TensorNames& names, std::string_view hugging_face_name);

// What stands before the names of layer l: "model.layers.3.".
std::string layer_prefix(const TensorNames& names, std::int64_t layer);
// What stands before the names of the experts' stacked tensors in a layer: "mlp.experts.".
std::string stacked_experts(const TensorNames& names);

}  // namespace refocus
