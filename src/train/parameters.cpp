#include "train/parameters.h"

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "model/weights.h"

namespace refocus {

std::int64_t ParameterList::add(std::string name, std::vector<std::int64_t> shape) {
  Parameter p{std::move(name), std::move(shape), size_, 1};
  for (const std::int64_t d : p.shape) p.size *= d;
  size_ += p.size;
  parameters_.push_back(std::move(p));
  return parameters_.back().offset;
}

ParameterLayout::ParameterLayout(const ModelConfig& c, bool tied) {
  const std::int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  embed_tokens_ = add("model.embed_tokens.weight", {c.vocab_size, c.hidden_size});
  for (std::int64_t l = 0; l < c.num_hidden_layers; ++l) {
    const std::string p = fmt::format("model.layers.{}.", l);
    LayerOffsets at;
    at.input_layernorm = add(p + "input_layernorm.weight", {c.hidden_size});
    at.qkv = add(p + "self_attn.q_proj.weight", {q, c.hidden_size});
    add(p + "self_attn.k_proj.weight", {kv, c.hidden_size});
    add(p + "self_attn.v_proj.weight", {kv, c.hidden_size});
    at.o_proj = add(p + "self_attn.o_proj.weight", {c.hidden_size, q});
    at.post_attention_layernorm = add(p + "post_attention_layernorm.weight", {c.hidden_size});
    at.gate_up = add(p + "mlp.gate_proj.weight", {c.intermediate_size, c.hidden_size});
    add(p + "mlp.up_proj.weight", {c.intermediate_size, c.hidden_size});
    at.down_proj = add(p + "mlp.down_proj.weight", {c.hidden_size, c.intermediate_size});
    layers_.push_back(at);
  }
  norm_ = add("model.norm.weight", {c.hidden_size});
  lm_head_ = tied ? embed_tokens_ : add("lm_head.weight", {c.vocab_size, c.hidden_size});
}

bool has_tied_embeddings(const ModelConfig& config, const WeightMap& map) {
  return config.tie_word_embeddings && map.find("lm_head.weight") == nullptr;
}

void initialise_weights(const ParameterLayout& layout, const InitialWeights& initial, float* weights) {
  SplitMix64 random(initial.seed);
  for (const Parameter& p : layout.parameters()) {
    float* to = weights + p.offset;
    for (std::int64_t i = 0; i < p.size; ++i) {
      to[i] = p.is_norm() ? 1.0f : static_cast<float>(initial.deviation * random.normal());
    }
  }
  if (initial.embedding_mean <= 0) return;
  const Parameter& table = layout.parameters().front();
  REFOCUS_CHECK(table.offset == layout.embed_tokens() && table.shape.size() == 2);
  const std::int64_t hidden = table.shape[1];
  for (std::int64_t d = 0; d < hidden; ++d) {
    const auto shared = static_cast<float>(initial.embedding_mean * random.normal());
    for (std::int64_t i = d; i < table.size; i += hidden) weights[table.offset + i] += shared;
  }
}

void load_weights(const ParameterLayout& layout, const ModelConfig& config, const WeightMap& map,
                  const std::string& where, float* weights) {
  bind_weights(config, map, where);  // checks every shape
  for (const auto& [name, entry] : map.entries()) {
    if (name.ends_with(".bias") || name == "model.rope_frequency_factors") {
      throw input_error(entry.source,
                        "tensor {} is of a kind that training does not know; train another model",
                        printable(name));
    }
  }
  for (const Parameter& p : layout.parameters()) copy_as_f32(map.find(p.name)->view, weights + p.offset);
}

std::vector<NamedTensor> named_tensors(const ParameterList& layout, const float* values,
                                       const std::string& prefix) {
  std::vector<NamedTensor> out;
  for (const Parameter& p : layout.parameters()) {
    const auto* data = reinterpret_cast<const std::byte*>(values + p.offset);
    out.push_back({prefix + p.name, {data, DType::kF32, p.shape}});
  }
  return out;
}

}  // namespace refocus
