// Gemma 1 to 3 (text): norm weights kept as w - 1, embeddings times sqrt(hidden_size), the tanh form of GELU.
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "architecture/families.h"

namespace refocus {

namespace {

void read_gemma_common(const ConfigFields& fields, const SizeDefaults& defaults) {
  read_common(fields, defaults);
  read_attention_bias(fields);
  ModelConfig& c = fields.config();
  c.norm_plus_one = true;
  c.embedding_multiplier = std::sqrt(static_cast<float>(c.hidden_size));
}

// Both of Gemma's keys; "gelu" was written for the tanh form, which is computed whatever the config says.
void read_gemma_activation(const ConfigFields& fields) {
  read_activation(fields, {"hidden_activation"}, Activation::kGeluTanh);
  if (fields.config().activation == Activation::kGelu) {
    fields.warn("the activation gelu is computed as gelu_pytorch_tanh, as Gemma was trained");
    fields.config().activation = Activation::kGeluTanh;
  }
}

void read_gemma(const ConfigFields& fields) {
  read_gemma_common(
      fields,
      {.kv_heads = 16, .head_dim = 256, .context = 8192, .tied = true, .activation = Activation::kGeluTanh});
  if (fields.has("hidden_activation") || fields.config().activation == Activation::kGelu) {
    read_gemma_activation(fields);
  }
  read_rope(fields);
}

void read_sandwich(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  read_gemma_activation(fields);
  c.placement = Placement::kSandwich;
  c.attention_scale = static_cast<float>(1 / std::sqrt(fields.positive_or({"query_pre_attn_scalar"}, 256)));
}

void read_gemma2(const ConfigFields& fields) {
  read_gemma_common(
      fields, {.kv_heads = 4, .head_dim = 256, .context = 8192, .tied = true, .reads_activation = false});
  read_sandwich(fields);
  ModelConfig& c = fields.config();
  const auto softcap = [&](const char* key, double absent) {
    if (fields.states(key) && !fields.has(key)) return 0.0f;
    return static_cast<float>(fields.positive_or({key}, absent));
  };
  c.attention_softcap = softcap("attn_logit_softcapping", 50);
  c.final_softcap = softcap("final_logit_softcapping", 30);
  read_rope(fields);
  read_layer_types(fields, read_window(fields, 4096), [](std::int64_t l) { return l % 2 == 0; });
}

void read_gemma3(const ConfigFields& fields) {
  read_gemma_common(
      fields, {.kv_heads = 4, .head_dim = 256, .context = 131072, .tied = true, .reads_activation = false});
  read_sandwich(fields);
  ModelConfig& c = fields.config();
  c.qk_norm = QkNorm::kHead;
  c.attention_softcap = static_cast<float>(fields.optional_positive({"attn_logit_softcapping"}).value_or(0));
  c.final_softcap = static_cast<float>(fields.optional_positive({"final_logit_softcapping"}).value_or(0));
  read_rope_by_kind(fields, 1e4, "rope_local_base_freq");
  const std::int64_t pattern = fields.size_or({"sliding_window_pattern", "_sliding_window_pattern"}, 6);
  read_layer_types(fields, read_window(fields, 4096), [&](std::int64_t l) { return (l + 1) % pattern != 0; });
  turn_windowed_layers_locally(c);
}

constexpr TensorNames sandwich_names(std::string_view gguf) {
  return {.attention_output_norm = "post_attention_layernorm",
          .mlp_norm = "pre_feedforward_layernorm",
          .mlp_output_norm = "post_feedforward_layernorm",
          .gguf = gguf};
}

// llama.cpp computes the largest models of Gemma 2 and 3 with hidden_size / heads in place of head_dim.
void add_scale(std::int64_t most_layers, nlohmann::ordered_json& config) {
  const auto size = [&](const char* key) { return config[key].get<std::int64_t>(); };
  const bool largest = size("num_hidden_layers") == most_layers;
  config["query_pre_attn_scalar"] =
      largest ? size("hidden_size") / size("num_attention_heads") : size("head_dim");
}
void add_gemma2(const GgufSettings&, nlohmann::ordered_json& config) { add_scale(46, config); }
void add_gemma3(const GgufSettings& settings, nlohmann::ordered_json& config) {
  add_scale(62, config);
  if (const auto theta = settings.positive("rope.freq_base_swa")) config["rope_local_base_freq"] = *theta;
}

const std::vector<GgufNumber> kSoftcaps = {{"attn_logit_softcapping", "attn_logit_softcapping"},
                                           {"final_logit_softcapping", "final_logit_softcapping"}};

const std::array<Family, 3> kGemmaFamilies = {{
    {"gemma", read_gemma, {.gguf = "gemma"}},
    {.model_type = "gemma2",
     .read = read_gemma2,
     .names = sandwich_names("gemma2"),
     .gguf = {.windows = GgufFacts::Windows::kSomeLayers, .numbers = kSoftcaps, .add = add_gemma2}},
    {.model_type = "gemma3_text",
     .read = read_gemma3,
     .names = sandwich_names("gemma3"),
     .rope = {.theta = 1e6},
     .gguf = {.windows = GgufFacts::Windows::kSomeLayers,
              .local_theta = true,
              .numbers = kSoftcaps,
              .add = add_gemma3}},
}};

}  // namespace

std::span<const Family> gemma_families() { return kGemmaFamilies; }

}  // namespace refocus
