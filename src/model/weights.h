// A LLaMA model's weights: views into a WeightMap, checked against the config. No copy of a matrix is made.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/packed_matmul.h"
#include "model/config.h"
#include "tensor/adapter.h"
#include "tensor/weight_map.h"

namespace refocus {

struct Linear {
  const std::byte* data = nullptr;  // [outputs, inputs], rows as paired_head_dim says (see TensorView)
  DType dtype = DType::kF32;
  std::int64_t outputs = 0, inputs = 0;
  std::vector<float> bias;                     // [outputs], or empty
  std::shared_ptr<const PackedMatrix> packed;  // where the type is a block type; see model/linear_products.h
  std::int64_t paired_head_dim = 0;
  std::shared_ptr<const void> owner = nullptr;  // of `data`, where the matrix was made anew (F64 as float32)
  const LowRank* adapter = nullptr;             // a change beside it, or none; see model/adapter.h
};

struct LayerWeights {
  std::vector<float> input_layernorm, post_attention_layernorm;  // [hidden_size]
  Linear q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj;
};

struct LlamaWeights {
  Linear embed_tokens;  // [vocab_size, hidden_size], read by rows
  std::vector<LayerWeights> layers;
  std::vector<float> norm;          // [hidden_size]
  Linear lm_head;                   // embed_tokens where the two are tied
  std::vector<float> rope_factors;  // [head_dim / 2], or none; see RopeTable
};

// Finds every tensor by its Hugging Face name. InputError for one that is missing, has another shape than the
// config says, or is no part of a LLaMA model (rotary buffers are passed over). The map must outlive the
// result.
LlamaWeights bind_weights(const LlamaConfig& config, const WeightMap& map, const std::string& where);

// The first NaN or infinity among the weights, as text for a message: "model.norm.weight [17]". Reads
// everything.
std::optional<std::string> find_non_finite(const WeightMap& map);

}  // namespace refocus
