// Families whose rotary pairs are adjacent elements of a head: Helium, ERNIE 4.5, GLM-4, Cohere.
#include <array>

#include "architecture/families.h"
#include "architecture/rope_settings.h"

namespace refocus {

namespace {

void read_helium(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  c.interleaved_rope = true;
  read_common(fields, {.kv_heads = 20, .head_dim = 128, .context = 4096, .eps = 1e-8});
  c.bias.qkv = fields.flag_or({"attention_bias"}, false);
  read_mlp_bias(fields);
  read_rope(fields, {.theta = 1e5});
}

void read_ernie(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  c.interleaved_rope = true;
  read_common(fields, {.kv_heads = 2, .head_dim = 128, .context = 131072, .eps = 1e-5, .tied = true});
  const bool biased = fields.flag_or({"use_bias"}, false);
  c.bias = {biased, biased, biased, false};
  read_rope(fields, {.theta = 5e5});
}

void read_glm4(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  c.interleaved_rope = true;
  read_common(fields, {.kv_heads = 2, .head_dim = 128, .context = 131072, .eps = 1.5625e-7});
  c.placement = Placement::kSandwich;
  c.bias.qkv = fields.flag_or({"attention_bias"}, true);
  read_rope(fields, {.rotary_fraction = 0.5, .partial = true});
}

void read_cohere_common(const ConfigFields& fields, double theta) {
  ModelConfig& c = fields.config();
  c.norm = NormKind::kLayer;
  c.interleaved_rope = true;
  read_common(fields, {.context = 8192, .tied = true});
  read_eps(fields, {"layer_norm_eps"}, 1e-5);
  c.placement = Placement::kParallel;
  read_attention_bias(fields);
  c.logit_multiplier = static_cast<float>(fields.positive_or({"logit_scale"}, 0.0625));
  read_rope(fields, {.theta = theta});
}

void read_cohere(const ConfigFields& fields) {
  read_cohere_common(fields, 5e5);
  if (fields.flag_or({"use_qk_norm"}, false)) fields.config().qk_norm = QkNorm::kEachHead;
}

// Layers without a window have no rotary embedding.
void read_cohere2(const ConfigFields& fields) {
  read_cohere_common(fields, 1e4);
  ModelConfig& c = fields.config();
  const std::int64_t pattern = fields.size_or({"sliding_window_pattern"}, 4);
  read_layer_types(fields, read_window(fields, 4096), [&](std::int64_t l) { return (l + 1) % pattern != 0; });
  for (std::int64_t l = 0; l < c.num_hidden_layers; ++l) {
    if (layer_of(c, l).window == 0) layer_of(c, l).rope = LayerConfig::Rope::kNone;
  }
}

const std::array<Family, 5> kInterleavedFamilies = {{
    {"helium", read_helium, {.gguf = ""}},
    {"ernie4_5", read_ernie, {.gguf = "ernie4_5", .gguf_paired_rows = true}},
    {"glm4",
     read_glm4,
     {.attention_output_norm = "post_self_attn_layernorm",
      .gate_up = "mlp.gate_up_proj",
      .mlp_output_norm = "post_mlp_layernorm",
      .gguf = "glm4",
      .gguf_paired_rows = true}},
    {"cohere", read_cohere, {.mlp_norm = "", .gguf = "command-r", .gguf_paired_rows = true}},
    {"cohere2", read_cohere2, {.mlp_norm = "", .gguf = "cohere2", .gguf_paired_rows = true}},
}};

}  // namespace

std::span<const Family> interleaved_families() { return kInterleavedFamilies; }

}  // namespace refocus
