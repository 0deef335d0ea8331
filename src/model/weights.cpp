#include "model/weights.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/error.h"
#include "tensor/block_formats.h"

namespace refocus {

namespace {

class Binder {
 public:
  Binder(const WeightMap& map, const std::string& where) : map_(map), where_(where) {}

  const TensorView& take(const std::string& name, const std::vector<std::int64_t>& shape) {
    const WeightMap::Entry* entry = map_.find(name);
    if (entry == nullptr) refuse_missing(name, shape);
    if (entry->view.shape != shape) {
      throw input_error(entry->source, "expected tensor {} of shape {} as {} says, got {}; {}", name,
                        shape_text(shape), settings(*entry), shape_text(entry->view.shape),
                        one_file(*entry) ? "the file contradicts itself, convert the model again"
                                         : "the two files belong to different models, download both again");
    }
    taken_.insert(name);
    return entry->view;
  }

  std::vector<float> vector(const std::string& name, std::int64_t size) { return to_f32(take(name, {size})); }

  // NAME.weight, and NAME.bias where the file has one.
  Linear linear(const std::string& name, std::int64_t outputs, std::int64_t inputs) {
    const TensorView& view = take(name + ".weight", {outputs, inputs});
    Linear out{view.data, view.dtype, outputs, inputs, {}, nullptr, view.paired_head_dim};
    if (map_.find(name + ".bias") != nullptr) out.bias = vector(name + ".bias", outputs);
    return out;
  }

  bool has(const std::string& name) const { return map_.find(name) != nullptr; }

  void refuse_others(std::int64_t layers) const {
    for (const auto& [name, entry] : map_.entries()) {
      const bool buffer = name.ends_with("rotary_emb.inv_freq") || name.ends_with("rotary_emb.cos_cached") ||
                          name.ends_with("rotary_emb.sin_cached");
      if (buffer || taken_.contains(name) || name == "lm_head.weight") continue;
      if (layer_of(name) >= layers) {
        throw input_error(entry.source, "expected {} layers as {} says, got tensor {}; {}", layers,
                          settings(entry), printable(name), kOtherConfig);
      }
      throw input_error(
          entry.source,
          "expected the tensors of a LLaMA model, got {} too, which would be left out; use a model "
          "of the LLaMA family",
          printable(name, 160));
    }
  }

 private:
  static constexpr const char* kOtherConfig =
      "weights and settings belong to different models, or one of them was changed; download both again";

  // A GGUF file has its settings in itself.
  bool one_file(const WeightMap::Entry& entry) const { return entry.source == where_; }
  const char* settings(const WeightMap::Entry& entry) const {
    return one_file(entry) ? "its metadata" : "config.json";
  }

  // The number of the layer that a tensor is in, or -1.
  static std::int64_t layer_of(std::string_view name) {
    constexpr std::string_view kLayers = "model.layers.";
    std::int64_t layer = -1;
    if (!name.starts_with(kLayers)) return layer;
    std::from_chars(name.data() + kLayers.size(), name.data() + name.size(), layer);
    return layer;
  }

  [[noreturn]] void refuse_missing(const std::string& name, const std::vector<std::int64_t>& shape) const {
    const std::string shown = fmt::format("{} {}", name, shape_text(shape));
    if (map_.entries().empty()) {
      throw input_error(where_, "expected tensor {}, got no tensors at all; download the weights again",
                        shown);
    }
    if (name == "lm_head.weight") {
      throw input_error(
          where_,
          "expected tensor {}, or tie_word_embeddings true in config.json, got neither; download "
          "the model with its output matrix (LlamaForCausalLM), or set tie_word_embeddings if the "
          "embeddings are its output matrix too",
          shown);
    }
    std::int64_t layers = 0;
    for (const auto& [other, entry] : map_.entries()) layers = std::max(layers, layer_of(other) + 1);
    const WeightMap::Entry& any = map_.entries().begin()->second;
    if (const std::int64_t layer = layer_of(name); layers > 0 && layer >= layers) {
      throw input_error(where_, "expected tensor {}, since {} says more layers, got {} layers; {}", shown,
                        settings(any), layers, kOtherConfig);
    }
    throw input_error(where_, "expected tensor {}, got none; the weights are incomplete, download them again",
                      shown);
  }

  const WeightMap& map_;
  std::string where_;
  std::set<std::string, std::less<>> taken_;
};

LayerWeights bind_layer(Binder& bind, const LlamaConfig& c, std::int64_t layer) {
  const std::string p = fmt::format("model.layers.{}.", layer);
  const std::int64_t q_size = c.num_attention_heads * c.head_dim,
                     kv_size = c.num_key_value_heads * c.head_dim;
  LayerWeights w;
  w.input_layernorm = bind.vector(p + "input_layernorm.weight", c.hidden_size);
  w.q_proj = bind.linear(p + "self_attn.q_proj", q_size, c.hidden_size);
  w.k_proj = bind.linear(p + "self_attn.k_proj", kv_size, c.hidden_size);
  w.v_proj = bind.linear(p + "self_attn.v_proj", kv_size, c.hidden_size);
  w.o_proj = bind.linear(p + "self_attn.o_proj", c.hidden_size, q_size);
  w.post_attention_layernorm = bind.vector(p + "post_attention_layernorm.weight", c.hidden_size);
  w.gate_proj = bind.linear(p + "mlp.gate_proj", c.intermediate_size, c.hidden_size);
  w.up_proj = bind.linear(p + "mlp.up_proj", c.intermediate_size, c.hidden_size);
  w.down_proj = bind.linear(p + "mlp.down_proj", c.hidden_size, c.intermediate_size);
  return w;
}

// Optional: GGUF files of Llama 3.1 have the factors in place of the scaling's parameters.
std::vector<float> bind_rope_factors(Binder& bind, const LlamaConfig& config, const std::string& where) {
  const std::string name = "model.rope_frequency_factors";
  if (!bind.has(name)) return {};
  std::vector<float> factors = bind.vector(name, config.head_dim / 2);
  const bool usable =
      std::all_of(factors.begin(), factors.end(), [](float f) { return f > 0 && std::isfinite(f); });
  if (!usable) {
    throw input_error(where, "expected positive RoPE frequency factors, got others; convert the model again");
  }
  if (config.rope_scaling.kind != RopeScaling::Kind::kNone) {
    throw input_error(where, "expected RoPE frequency factors or rope_scaling, got both; remove one of them");
  }
  return factors;
}

}  // namespace

LlamaWeights bind_weights(const LlamaConfig& config, const WeightMap& map, const std::string& where) {
  Binder bind(map, where);
  LlamaWeights w;
  w.embed_tokens = bind.linear("model.embed_tokens", config.vocab_size, config.hidden_size);
  for (std::int64_t l = 0; l < config.num_hidden_layers; ++l) w.layers.push_back(bind_layer(bind, config, l));
  w.norm = bind.vector("model.norm.weight", config.hidden_size);
  const bool tied = config.tie_word_embeddings && !bind.has("lm_head.weight");
  w.lm_head = tied ? w.embed_tokens : bind.linear("lm_head", config.vocab_size, config.hidden_size);
  w.rope_factors = bind_rope_factors(bind, config, where);
  bind.refuse_others(config.num_hidden_layers);
  return w;
}

std::optional<std::string> find_non_finite(const WeightMap& map) {
  for (const auto& [name, entry] : map.entries()) {
    std::int64_t at = first_non_finite(entry.view.dtype, entry.view.data, entry.view.elements());
    if (at < 0) continue;
    std::vector<std::int64_t> index(entry.view.shape.size());
    for (std::size_t d = index.size(); d-- > 0;) {
      index[d] = at % entry.view.shape[d];
      at /= entry.view.shape[d];
    }
    if (entry.view.paired_head_dim > 0) index[0] = unpaired_row(index[0], entry.view.paired_head_dim);
    return fmt::format("{} {}", printable(name), shape_text(index));
  }
  return std::nullopt;
}

}  // namespace refocus
