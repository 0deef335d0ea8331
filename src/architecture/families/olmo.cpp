// OLMo 1 to 3 and OLMoE.
#include <array>
#include <nlohmann/json.hpp>

#include "architecture/families.h"

namespace refocus {

namespace {

float clip_of(const ConfigFields& fields) {
  return static_cast<float>(fields.optional_positive({"clip_qkv"}).value_or(0));
}

// Norms without weights.
void read_olmo(const ConfigFields& fields) {
  read_common(fields, {.eps = 1e-5});
  ModelConfig& c = fields.config();
  c.norm_weights = false;
  c.clip_qkv = clip_of(fields);
  read_attention_bias(fields);
  read_rope(fields);
}

void read_post_norms(const ConfigFields& fields) {
  read_common(fields, {.eps = 1e-5});
  read_attention_bias(fields);
  ModelConfig& c = fields.config();
  c.placement = Placement::kPost;
  c.qk_norm = QkNorm::kFull;
}

void read_olmo2(const ConfigFields& fields) {
  read_post_norms(fields);
  read_rope(fields);
}

void read_olmo3(const ConfigFields& fields) {
  read_post_norms(fields);
  read_rope_by_kind(fields, 5e5, nullptr);
  read_layer_types(fields, read_window(fields, 4096), [](std::int64_t l) { return (l + 1) % 4 != 0; });
  turn_windowed_layers_locally(fields.config());
}

void read_olmoe(const ConfigFields& fields) {
  read_common(fields, {.context = 4096, .eps = 1e-5});
  read_attention_bias(fields);
  read_rope(fields);
  ModelConfig& c = fields.config();
  c.qk_norm = QkNorm::kFull;
  c.clip_qkv = clip_of(fields);
  c.experts.count = fields.size_or({"num_experts", "num_local_experts"}, 64);
  c.experts.per_token = fields.size_or({"num_experts_per_tok"}, 8);
  c.experts.intermediate_size = c.intermediate_size;
  c.experts.renormalise = fields.flag_or({"norm_topk_prob"}, false);
  set_experts_on_all_layers(c);
}

constexpr TensorNames post_names(std::string_view gguf) {
  return {.attention_norm = "",
          .attention_output_norm = "post_attention_layernorm",
          .mlp_norm = "",
          .mlp_output_norm = "post_feedforward_layernorm",
          .gguf = gguf};
}

// Files of OLMo 2 and 3 are of one architecture; 3 has windows.
bool has_windows(const GgufSettings& settings) {
  return settings.count("attention.sliding_window").has_value();
}
void add_olmo3(const GgufSettings& settings, nlohmann::ordered_json& config) {
  if (const auto theta = settings.positive("rope.freq_base_swa"))
    config["rope_parameters"] = {{"sliding_attention", {{"rope_theta", *theta}}}};
}

const std::vector<GgufNumber> kClip = {{"attention.clamp_kqv", "clip_qkv"}};

const std::array<Family, 4> kOlmoFamilies = {{
    {"olmo2", read_olmo2, post_names("olmo2")},
    {.model_type = "olmo3",
     .read = read_olmo3,
     .names = post_names("olmo2"),
     .rope = {.theta = 5e5},
     .gguf = {.is_of = has_windows,
              .windows = GgufFacts::Windows::kSomeLayers,
              .local_theta = true,
              .add = add_olmo3}},
    {.model_type = "olmoe",
     .read = read_olmoe,
     .names = {.router = "mlp.gate", .experts = "mlp.experts.{}.", .gguf = "olmoe"},
     .gguf = {.numbers = kClip}},
    {.model_type = "olmo",
     .read = read_olmo,
     .names = {.gguf = "olmo", .gguf_paired_rows = true},
     .norm = {NormKind::kLayer, nullptr},
     .gguf = {.numbers = kClip}},
}};

}  // namespace

std::span<const Family> olmo_families() { return kOlmoFamilies; }

}  // namespace refocus
