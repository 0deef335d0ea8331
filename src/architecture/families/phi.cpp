// Phi-3, 3.5, 4 and 4-mini (fused projections, longrope, partial rotation), and Phi-1, 1.5 and 2.
#include <array>

#include "architecture/families.h"

namespace refocus {

namespace {

void read_phi3(const ConfigFields& fields) {
  read_common(fields, {.context = 4096, .eps = 1e-5});
  read_rope(fields);
  set_windows(fields.config(), read_window(fields, std::nullopt));
}

void read_phi(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  read_common(fields, {.eps = 1e-5, .activation = Activation::kGeluTanh});
  c.placement = Placement::kParallel;
  c.mlp = MlpKind::kPlain;
  c.bias = {true, true, true, true};
  if (fields.flag_or({"qk_layernorm"}, false)) fields.refuse("qk_layernorm", "false", "use another model");
  read_rope(fields);
}

const std::array<Family, 2> kPhiFamilies = {{
    {.model_type = "phi3",
     .read = read_phi3,
     .names = {.qkv = "self_attn.qkv_proj", .gate_up = "mlp.gate_up_proj", .gguf = "phi3"},
     .rope = {.partial = true},
     .gguf = {.windows = GgufFacts::Windows::kAllLayers}},
    {.model_type = "phi",
     .read = read_phi,
     .names = {.final_norm = "model.final_layernorm",
               .o = "self_attn.dense",
               .mlp_norm = "",
               .gate = "",
               .up = "mlp.fc1",
               .down = "mlp.fc2",
               .gguf = "phi2"},
     .norm = {NormKind::kLayer, "layer_norm_eps"},
     .rope = {.rotary_fraction = 0.5, .partial = true}},
}};

}  // namespace

std::span<const Family> phi_families() { return kPhiFamilies; }

}  // namespace refocus
