#include "train/parameters.h"

#include <algorithm>
#include <optional>

#include "architecture/gguf_names.h"
#include "base/error.h"
#include "base/random.h"
#include "model/weights.h"

namespace refocus {

std::int64_t ParameterList::add(std::string name, std::vector<std::int64_t> shape, Parameter::Kind kind,
                                float start) {
  Parameter p{std::move(name), std::move(shape), kind, start, size_, 1};
  for (const std::int64_t d : p.shape) p.size *= d;
  size_ += p.size;
  parameters_.push_back(std::move(p));
  return parameters_.back().offset;
}

ParameterLayout::ParameterLayout(const ModelConfig& c, bool tied) {
  embed_tokens_ = add(std::string(c.names.embeddings) + ".weight", {c.vocab_size, c.hidden_size});
  for (std::int64_t l = 0; l < c.num_hidden_layers; ++l) layers_.push_back(add_layer(c, l));
  norm_ = add(std::string(c.names.final_norm) + ".weight", {c.hidden_size}, Parameter::Kind::kNorm,
              c.norm_plus_one ? 0.0f : 1.0f);
  lm_head_ = tied ? embed_tokens_ : add(std::string(c.names.head) + ".weight", {c.vocab_size, c.hidden_size});
}

LayerOffsets ParameterLayout::add_layer(const ModelConfig& c, std::int64_t layer) {
  const TensorNames& n = c.names;
  const std::int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim,
                     inner = c.intermediate_size;
  const std::string prefix = layer_prefix(n, layer);
  const auto named = [&](std::string_view name, const char* end) {
    return std::string(prefix).append(name).append(end);
  };
  LayerOffsets at;
  const auto norm = [&](NormPlace which, std::string_view name, std::int64_t size) {
    if (name.empty()) return;
    at.norms[static_cast<std::size_t>(which)] =
        add(named(name, ".weight"), {size}, Parameter::Kind::kNorm, c.norm_plus_one ? 0.0f : 1.0f);
  };
  struct Matrix {
    std::string_view name;
    std::int64_t outputs;
  };
  const auto group = [&](LinearGroup which, const std::vector<Matrix>& matrices, std::int64_t inputs,
                         std::optional<bool> biased) {
    const auto index = static_cast<std::size_t>(which);
    at.matrices[index] = size();
    for (const auto& [name, outputs] : matrices) add(named(name, ".weight"), {outputs, inputs});
    if (!biased.value_or(false)) return;
    at.biases[index] = size();
    for (const auto& [name, outputs] : matrices) add(named(name, ".bias"), {outputs}, Parameter::Kind::kBias);
  };
  norm(NormPlace::kAttention, n.attention_norm, c.hidden_size);
  group(LinearGroup::kQkv, {{n.q, q}, {n.k, kv}, {n.v, kv}}, c.hidden_size, c.bias.qkv);
  if (c.qk_norm != QkNorm::kNone) {
    norm(NormPlace::kQuery, n.q_norm, c.head_dim);
    norm(NormPlace::kKey, n.k_norm, c.head_dim);
  }
  group(LinearGroup::kO, {{n.o, c.hidden_size}}, q, c.bias.o);
  norm(NormPlace::kAttentionOutput, n.attention_output_norm, c.hidden_size);
  norm(NormPlace::kMlp, n.mlp_norm, c.hidden_size);
  group(LinearGroup::kGateUp, {{n.gate, inner}, {n.up, inner}}, c.hidden_size, c.bias.mlp);
  group(LinearGroup::kDown, {{n.down, c.hidden_size}}, inner, c.bias.mlp);
  norm(NormPlace::kMlpOutput, n.mlp_output_norm, c.hidden_size);
  return at;
}

void initialise_weights(const ParameterLayout& layout, const InitialWeights& initial, float* weights) {
  SplitMix64 random(initial.seed);
  for (const Parameter& p : layout.parameters()) {
    float* to = weights + p.offset;
    for (std::int64_t i = 0; i < p.size; ++i) {
      to[i] = p.is_matrix() ? static_cast<float>(initial.deviation * random.normal()) : p.start;
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

std::vector<std::string> load_weights(const ParameterLayout& layout, const ModelConfig& config,
                                      const WeightMap& map, const std::string& where, float* weights) {
  std::vector<std::string> warnings = bind_weights(config, map, where).warnings;  // checks every shape
  if (const WeightMap::Entry* factors = map.find(std::string(kRopeFactorsName))) {
    throw input_error(factors->source,
                      "tensor {} is of a kind that training does not know; train another model",
                      kRopeFactorsName);
  }
  for (const Parameter& p : layout.parameters()) {
    const WeightMap::Entry* entry = map.find(p.name);
    if (entry != nullptr) {
      copy_as_f32(entry->view, weights + p.offset);
    } else {
      REFOCUS_CHECK(p.kind == Parameter::Kind::kBias);  // bind_weights refuses all others
      std::fill_n(weights + p.offset, p.size, 0.0f);
    }
  }
  return warnings;
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
