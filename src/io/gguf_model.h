// What a GGUF file of a LLaMA model means: names, configuration, tokenizer, and the order of rows in query
// and key projections.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "io/checkpoint.h"
#include "io/gguf_file.h"

namespace refocus {

// The frequency factors of RoPE, [head_dim / 2]: each angle is divided by its factor. GGUF files have them
// for Llama 3 as rope_freqs.weight; Hugging Face's checkpoints have no such tensor.
inline constexpr std::string_view kRopeFactorsName = "model.rope_frequency_factors";
inline constexpr std::string_view kGgufRopeFactorsName = "rope_freqs.weight";

// A tensor's Hugging Face name from its GGUF name and the other way round ("blk.0.attn_q.weight" is
// "model.layers.0.self_attn.q_proj.weight"); empty where there is none.
std::string hugging_face_name(std::string_view gguf_name);
std::string gguf_name(std::string_view hugging_face_name);

enum class RopeRows { kToHuggingFace, kToGguf };

// The rows of a [heads * head_dim, inputs] projection (or a bias of [heads * head_dim] elements) reordered,
// in memory of its own (see paired_row in tensor/tensor_view.h). Any element type, since a row is whole
// blocks.
std::shared_ptr<const void> permute_rope_rows(TensorView& view, std::int64_t head_dim, RopeRows direction);

// Opens a GGUF file as a checkpoint with Hugging Face names and a config.json made from its metadata. The
// tensors are views into the mapped file, except query and key projections, whose rows are reordered.
// InputError where the file is damaged, of another architecture than llama, or asks for what the engine does
// not compute (experts, YaRN, partial rotary embeddings).
Checkpoint read_gguf(const std::filesystem::path& path);

}  // namespace refocus
