// A model's weights: views into a WeightMap, checked against the config. A matrix is copied only where its
// rows or columns lie in another order than the engine's (fused, transposed or interleaved ones; block types
// never are).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "architecture/model_config.h"
#include "kernels/packed_matmul.h"
#include "model/weight_share.h"
#include "tensor/adapter.h"
#include "tensor/weight_map.h"

namespace refocus {

struct Linear {
  const std::byte* data = nullptr;  // [outputs, inputs], rows as paired_head_dim says (see TensorView)
                                    // null: there is no such matrix, or another rank has it
  DType dtype = DType::kF32;
  std::int64_t outputs = 0, inputs = 0;
  std::vector<float> bias;                     // [outputs], or empty
  std::shared_ptr<const PackedMatrix> packed;  // where the type is a block type; see model/linear_products.h
  std::int64_t paired_head_dim = 0, paired_rotary = 0;
  std::shared_ptr<const void> owner = nullptr;  // of `data`, where the matrix was made anew (F64 as float32)
  const LowRank* adapter = nullptr;             // a change beside it, or none; see model/adapter.h
  std::int64_t all_outputs = 0;                 // of all ranks that share its rows together

  bool present() const { return data != nullptr; }
  std::span<const std::byte> stored_bytes() const {
    return {data, static_cast<std::size_t>(outputs) * bytes_of(dtype, inputs)};
  }
};

struct Norm {
  std::vector<float> weight;  // empty: there is no such norm
  std::vector<float> bias;    // as many, or none

  bool present() const { return !weight.empty(); }
};

struct ExpertWeights {
  Linear router;                       // [count, hidden_size]
  std::vector<Linear> gate, up, down;  // [count] each
  Linear shared_gate, shared_up, shared_down, shared_expert_gate;
};

struct LayerWeights {
  Norm attention_norm, attention_output_norm, mlp_norm,
      mlp_output_norm;  // [hidden_size], where the placement has them
  Norm q_norm, k_norm;  // [head_dim], [heads, head_dim] or [heads * head_dim]; see QkNorm
  Linear q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj;
  std::vector<float> sinks;  // [heads], or none
  ExpertWeights experts;     // in place of gate, up and down where LayerConfig::experts
};

struct ModelWeights {
  Linear embed_tokens;  // [vocab_size, hidden_size], read by rows
  Linear positions;     // [max_position_embeddings, hidden_size], or none
  std::vector<LayerWeights> layers;
  Norm norm;                                       // [hidden_size]
  Linear lm_head;                                  // embed_tokens where the two are tied
  std::vector<float> rope_factors;                 // [rotary / 2], or none; see RopeTable
  std::vector<std::shared_ptr<const void>> owned;  // what the views look into, where it is not the map
  std::vector<std::string> warnings;               // one line each: where config and file differ
};

// Every matrix that products are taken with.
std::vector<Linear*> linears_of(ModelWeights& weights);

// Whether a checkpoint of this config has no output matrix of its own.
bool has_tied_embeddings(const ModelConfig& config, const WeightMap& map);

// Finds every tensor by its Hugging Face name. InputError for one that is missing, has another shape than the
// config says, has a bias where the config says none (or the other way round), or is no part of such a model
// (rotary buffers are passed over). The map must outlive the result. Of a share all is checked, but only what
// is its own is read.
ModelWeights bind_weights(const ModelConfig& config, const WeightMap& map, const std::string& where,
                          const WeightShare& share = {});

// The first NaN or infinity among the weights, as text for a message: "model.norm.weight [17]". Reads
// everything.
std::optional<std::string> find_non_finite(const WeightMap& map);

}  // namespace refocus
