// Families with LayerNorm, partial rotation or a plain MLP beside LLaMA's layout: StableLM, StarCoder 2,
// Nemotron, and Arcee (RMSNorm, squared ReLU).
#include <array>

#include "architecture/families.h"

namespace refocus {

namespace {

void read_stablelm(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  read_common(fields, {.kv_heads = 32, .context = 4096, .eps = 1e-5});
  c.bias.qkv = fields.flag_or({"use_qkv_bias"}, false);
  for (const char* key : {"qk_layernorm", "use_parallel_residual"}) {
    if (fields.flag_or({key}, false)) fields.refuse(key, "false", "use another model");
  }
  read_rope(fields);
}

void read_starcoder2(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  read_common(
      fields,
      {.kv_heads = 2, .context = 4096, .eps = 1e-5, .tied = true, .activation = Activation::kGeluTanh});
  c.mlp = MlpKind::kPlain;
  const bool biased = fields.flag_or({"use_bias"}, true);
  c.bias = {biased, biased, biased, false};
  read_rope(fields);
  set_windows(c, read_window(fields, std::nullopt));
}

void read_nemotron(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  c.norm_plus_one = true;
  read_common(fields, {.context = 4096, .eps = 1e-5, .activation = Activation::kReluSquared});
  c.mlp = MlpKind::kPlain;
  read_attention_bias(fields);
  read_mlp_bias(fields);
  read_rope(fields);
}

void read_arcee(const ConfigFields& fields) {
  read_common(fields, {.context = 4096, .eps = 1e-5, .activation = Activation::kReluSquared});
  fields.config().mlp = MlpKind::kPlain;
  read_attention_bias(fields);
  read_mlp_bias(fields);
  read_rope(fields);
}

const std::array<Family, 4> kLayerNormFamilies = {{
    {.model_type = "stablelm",
     .read = read_stablelm,
     .names = {.gguf = "stablelm"},
     .norm = {NormKind::kLayer, "layer_norm_eps"},
     .rope = {.rotary_fraction = 0.25, .partial = true}},
    {.model_type = "starcoder2",
     .read = read_starcoder2,
     .names = {.gate = "", .up = "mlp.c_fc", .down = "mlp.c_proj", .gguf = "starcoder2"},
     .norm = {NormKind::kLayer, "norm_epsilon"},
     .gguf = {.windows = GgufFacts::Windows::kAllLayers}},
    {.model_type = "nemotron",
     .read = read_nemotron,
     .names = {.gate = "", .gguf = "nemotron"},
     .norm = {NormKind::kLayer, "norm_eps"},
     .rope = {.rotary_fraction = 0.5, .partial = true}},
    {"arcee", read_arcee, {.gate = "", .gguf = "arcee", .gguf_paired_rows = true}},
}};

}  // namespace

std::span<const Family> layer_norm_families() { return kLayerNormFamilies; }

}  // namespace refocus
