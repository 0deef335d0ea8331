// GPT-2, GPT-NeoX (Pythia) and gpt-oss.
#include <array>
#include <nlohmann/json.hpp>

#include "architecture/families.h"
#include "base/error.h"

namespace refocus {

namespace {

void read_gpt2(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  read_common(fields, {.context = 1024, .eps = 1e-5, .tied = true, .activation = Activation::kGeluTanh});
  c.learned_positions = true;
  c.mlp = MlpKind::kPlain;
  c.bias = {true, true, true, false};
  for (std::int64_t l = 0; l < c.num_hidden_layers; ++l) layer_of(c, l).rope = LayerConfig::Rope::kNone;
  if (!fields.flag_or({"scale_attn_weights"}, true)) c.attention_scale = 1;
  if (fields.flag_or({"scale_attn_by_inverse_layer_idx"}, false)) {
    fields.refuse("scale_attn_by_inverse_layer_idx", "false", "use another model");
  }
}

void read_gpt_neox(const ConfigFields& fields) {
  ModelConfig& c = fields.config();
  read_common(fields, {.eps = 1e-5, .activation = Activation::kGelu});
  c.placement = fields.flag_or({"use_parallel_residual"}, true) ? Placement::kParallelTwo : Placement::kPre;
  c.mlp = MlpKind::kPlain;
  read_attention_bias(fields, true);
  c.bias.mlp = true;
  read_rope(fields);
}

void read_gpt_oss(const ConfigFields& fields) {
  read_common(fields, {.kv_heads = 8, .head_dim = 64, .context = 131072, .eps = 1e-5});
  read_attention_bias(fields, true);
  ModelConfig& c = fields.config();
  read_rope(fields);
  if (!fields.has("rope_scaling") && !fields.has("rope_parameters")) {
    throw input_error(fields.where(),
                      "expected rope_scaling or rope_parameters, got neither; download the file again");
  }
  read_layer_types(fields, read_window(fields, 128), [](std::int64_t l) { return l % 2 == 0; });
  c.attention_sinks = true;
  c.mlp = MlpKind::kClampedGated;
  for (const auto& [key, value] : {std::pair{"swiglu_alpha", 1.702}, std::pair{"swiglu_limit", 7.0}}) {
    if (fields.positive_or({key}, value) != value)
      fields.refuse(key, fmt::format("{}", value), "use another model");
  }
  c.experts.count = fields.size_or({"num_local_experts", "num_experts"}, 128);
  c.experts.per_token = fields.size_or({"num_experts_per_tok", "experts_per_token"}, 4);
  c.experts.intermediate_size = c.intermediate_size;
  c.experts.scores = ExpertConfig::Scores::kSoftmaxTopK;
  c.experts.fused = true;
  c.bias.mlp = true;
  set_experts_on_all_layers(c);
}

// Files have no key for it.
void add_gpt_oss(const GgufSettings&, nlohmann::ordered_json& config) {
  if (config["rope_scaling"].is_object()) config["rope_scaling"]["truncate"] = false;
}

const std::array<Family, 3> kGptFamilies = {{
    {.model_type = "gpt2",
     .read = read_gpt2,
     .names = {.embeddings = "transformer.wte",
               .positions = "transformer.wpe",
               .final_norm = "transformer.ln_f",
               .layer = "transformer.h.{}.",
               .attention_norm = "ln_1",
               .o = "attn.c_proj",
               .qkv = "attn.c_attn",
               .mlp_norm = "ln_2",
               .gate = "",
               .up = "mlp.c_fc",
               .down = "mlp.c_proj",
               .transposed = true,
               .gguf = "gpt2"},
     .norm = {NormKind::kLayer, "layer_norm_epsilon"}},
    {.model_type = "gpt_neox",
     .read = read_gpt_neox,
     .names = {.embeddings = "gpt_neox.embed_in",
               .final_norm = "gpt_neox.final_layer_norm",
               .head = "embed_out",
               .layer = "gpt_neox.layers.{}.",
               .o = "attention.dense",
               .qkv = "attention.query_key_value",
               .gate = "",
               .up = "mlp.dense_h_to_4h",
               .down = "mlp.dense_4h_to_h",
               .qkv_rows = TensorNames::QkvRows::kByHead,
               .gguf = "gptneox"},
     .norm = {NormKind::kLayer, "layer_norm_eps"},
     .rope = {.theta_key = "rotary_emb_base",
              .rotary_fraction = 0.25,
              .fraction_key = "rotary_pct",
              .partial = true},
     .gguf = {.parallel_flag = true}},
    {.model_type = "gpt_oss",
     .read = read_gpt_oss,
     .names = {.sinks = "self_attn.sinks",
               .router = "mlp.router",
               .experts = "mlp.experts.",
               .gguf = "gpt-oss",
               .gguf_mlp_norm = "post_attention_norm"},
     .rope = {.theta = 150000},
     .gguf = {.windows = GgufFacts::Windows::kSomeLayers, .add = add_gpt_oss}},
}};

}  // namespace

std::span<const Family> gpt_families() { return kGptFamilies; }

}  // namespace refocus
