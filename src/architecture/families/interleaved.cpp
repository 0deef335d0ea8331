// Families whose rotary pairs are adjacent elements of a head: Helium, ERNIE 4.5, GLM-4, Cohere.
#include <array>
#include <nlohmann/json.hpp>

#include "architecture/families.h"

namespace refocus {

namespace {

void read_helium(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  c.interleaved_rope = true;
  read_common(fields, {.kv_heads = 20, .head_dim = 128, .context = 4096, .eps = 1e-8});
  c.bias.qkv = fields.flag_or({"attention_bias"}, false);
  read_mlp_bias(fields);
  read_rope(fields);
}

void read_ernie(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  c.interleaved_rope = true;
  read_common(fields, {.kv_heads = 2, .head_dim = 128, .context = 131072, .eps = 1e-5, .tied = true});
  const bool biased = fields.flag_or({"use_bias"}, false);
  c.bias = {biased, biased, biased, false};
  read_rope(fields);
}

void read_glm4(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  c.interleaved_rope = true;
  read_common(fields, {.kv_heads = 2, .head_dim = 128, .context = 131072, .eps = 1.5625e-7});
  c.placement = Placement::kSandwich;
  c.bias.qkv = fields.flag_or({"attention_bias"}, true);
  read_rope(fields);
}

void read_cohere_common(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  c.interleaved_rope = true;
  read_common(fields, {.context = 8192, .eps = 1e-5, .tied = true});
  c.placement = Placement::kParallel;
  read_attention_bias(fields);
  c.logit_multiplier = static_cast<float>(fields.positive_or({"logit_scale"}, 0.0625));
  read_rope(fields);
}

void read_cohere(const ConfigFields& fields) {
  read_cohere_common(fields);
  if (fields.flag_or({"use_qk_norm"}, false)) fields.config().qk_norm = QkNorm::kEachHead;
}

// Layers without a window have no rotary embedding.
void read_cohere2(const ConfigFields& fields) {
  read_cohere_common(fields);
  ModelConfig& c = fields.config();
  const std::int64_t pattern = fields.size_or({"sliding_window_pattern"}, 4);
  read_layer_types(fields, read_window(fields, 4096), [&](std::int64_t l) { return (l + 1) % pattern != 0; });
  for (std::int64_t l = 0; l < c.num_hidden_layers; ++l) {
    if (layer_of(c, l).window == 0) layer_of(c, l).rope = LayerConfig::Rope::kNone;
  }
}

// Files have norms of queries and keys, or they have none.
void add_cohere(const GgufSettings& settings, nlohmann::ordered_json& config) {
  config["use_qk_norm"] = settings.has_tensor("blk.0.attn_q_norm.weight");
}

const std::vector<GgufNumber> kLogitScale = {{"logit_scale", "logit_scale", 1}};

const std::array<Family, 5> kInterleavedFamilies = {{
    {.model_type = "helium", .read = read_helium, .names = {.gguf = ""}, .rope = {.theta = 1e5}},
    {.model_type = "ernie4_5",
     .read = read_ernie,
     .names = {.gguf = "ernie4_5", .gguf_paired_rows = true},
     .rope = {.theta = 5e5}},
    {.model_type = "glm4",
     .read = read_glm4,
     .names = {.attention_output_norm = "post_self_attn_layernorm",
               .gate_up = "mlp.gate_up_proj",
               .mlp_output_norm = "post_mlp_layernorm",
               .gguf = "glm4",
               .gguf_paired_rows = true},
     .rope = {.rotary_fraction = 0.5, .partial = true}},
    {.model_type = "cohere",
     .read = read_cohere,
     .names = {.mlp_norm = "", .gguf = "command-r", .gguf_paired_rows = true},
     .norm = {NormKind::kLayer, "layer_norm_eps"},
     .rope = {.theta = 5e5},
     .gguf = {.numbers = kLogitScale, .add = add_cohere}},
    {.model_type = "cohere2",
     .read = read_cohere2,
     .names = {.mlp_norm = "", .gguf = "cohere2", .gguf_paired_rows = true},
     .norm = {NormKind::kLayer, "layer_norm_eps"},
     .gguf = {.windows = GgufFacts::Windows::kSomeLayers, .numbers = kLogitScale}},
}};

}  // namespace

std::span<const Family> interleaved_families() { return kInterleavedFamilies; }

}  // namespace refocus
