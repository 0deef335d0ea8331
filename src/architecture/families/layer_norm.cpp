// Families with LayerNorm, partial rotation or a plain MLP beside LLaMA's layout: StableLM, StarCoder 2,
// Nemotron, and Arcee (RMSNorm, squared ReLU).
#include <array>

#include "architecture/families.h"
#include "architecture/rope_settings.h"

namespace refocus {

namespace {

void read_stablelm(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  c.norm = NormKind::kLayer;
  read_common(fields, {.kv_heads = 32, .context = 4096});
  read_eps(fields, {"layer_norm_eps"}, 1e-5);
  c.bias.qkv = fields.flag_or({"use_qkv_bias"}, false);
  for (const char* key : {"qk_layernorm", "use_parallel_residual"}) {
    if (fields.flag_or({key}, false)) fields.refuse(key, "false", "use another model");
  }
  read_rope(fields, {.rotary_fraction = 0.25, .partial = true});
}

void read_starcoder2(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  c.norm = NormKind::kLayer;
  read_common(fields, {.kv_heads = 2, .context = 4096, .tied = true, .activation = Activation::kGeluTanh});
  read_eps(fields, {"norm_epsilon"}, 1e-5);
  c.mlp = MlpKind::kPlain;
  const bool biased = fields.flag_or({"use_bias"}, true);
  c.bias = {biased, biased, biased, false};
  read_rope(fields, {});
  set_windows(c, read_window(fields, std::nullopt));
}

void read_nemotron(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  c.norm = NormKind::kLayer;
  c.norm_plus_one = true;
  read_common(fields, {.context = 4096, .activation = Activation::kReluSquared});
  read_eps(fields, {"norm_eps"}, 1e-5);
  c.mlp = MlpKind::kPlain;
  read_attention_bias(fields);
  read_mlp_bias(fields);
  read_rope(fields, {.rotary_fraction = 0.5, .partial = true});
}

void read_arcee(const ConfigFields& fields) {
  read_common(fields, {.context = 4096, .eps = 1e-5, .activation = Activation::kReluSquared});
  fields.config().mlp = MlpKind::kPlain;
  read_attention_bias(fields);
  read_mlp_bias(fields);
  read_rope(fields, {});
}

const std::array<Family, 4> kLayerNormFamilies = {{
    {"stablelm", read_stablelm, {.gguf = "stablelm"}},
    {"starcoder2",
     read_starcoder2,
     {.gate = "", .up = "mlp.c_fc", .down = "mlp.c_proj", .gguf = "starcoder2"}},
    {"nemotron", read_nemotron, {.gate = "", .gguf = "nemotron"}},
    {"arcee", read_arcee, {.gate = "", .gguf = "arcee", .gguf_paired_rows = true}},
}};

}  // namespace

std::span<const Family> layer_norm_families() { return kLayerNormFamilies; }

}  // namespace refocus
