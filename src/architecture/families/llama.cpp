// LLaMA, and what differs from it by numbers alone: Granite, SmolLM3, Seed-OSS.
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "architecture/families.h"

namespace refocus {

namespace {

void read_llama(const ConfigFields& fields) {
  read_common(fields, {});
  read_attention_bias(fields);
  read_mlp_bias(fields);
  read_rope(fields);
}

void read_granite(const ConfigFields& fields) {
  read_llama(fields);
  ModelConfig& c = fields.config();
  c.embedding_multiplier = static_cast<float>(fields.positive_or({"embedding_multiplier"}, 1));
  c.residual_multiplier = static_cast<float>(fields.positive_or({"residual_multiplier"}, 1));
  c.attention_scale = static_cast<float>(fields.positive_or({"attention_multiplier"}, 1));
  c.logit_multiplier = static_cast<float>(1 / fields.positive_or({"logits_scaling"}, 1));
}

// Every no_rope_layer_interval-th layer has no rotary embedding; no_rope_layers says 1 where a layer has it.
void read_smollm3(const ConfigFields& fields) {
  read_common(fields, {.kv_heads = 4, .context = 32768, .tied = true});
  read_attention_bias(fields);
  read_mlp_bias(fields);
  read_rope(fields);
  ModelConfig& c = fields.config();
  const std::int64_t interval = fields.size_or({"no_rope_layer_interval"}, 4);
  const auto listed = fields.integer_list("no_rope_layers");
  if (listed && listed->size() != static_cast<std::size_t>(c.num_hidden_layers)) {
    fields.refuse("no_rope_layers", fmt::format("{} numbers (num_hidden_layers)", c.num_hidden_layers));
  }
  const auto turns = [&](std::int64_t l) {
    return listed ? (*listed)[static_cast<std::size_t>(l)] != 0 : (l + 1) % interval != 0;
  };
  for (std::int64_t l = 0; l < c.num_hidden_layers; ++l) {
    if (!turns(l)) layer_of(c, l).rope = LayerConfig::Rope::kNone;
  }
  const bool windows = fields.flag_or({"use_sliding_window"}, false);
  const auto window = windows ? read_window(fields, std::nullopt) : std::nullopt;
  read_layer_types(fields, window, [&](std::int64_t l) { return window && !turns(l); });
}

void read_seed_oss(const ConfigFields& fields) {
  read_common(fields, {.kv_heads = 8, .head_dim = 128, .context = 524288});
  ModelConfig& c = fields.config();
  c.bias.qkv = fields.flag_or({"attention_bias"}, true);
  c.bias.o = fields.flag_or({"attention_out_bias"}, false);
  read_mlp_bias(fields);
  read_rope(fields);
}

// Where a file has no scale, llama.cpp takes the usual one; granite's own default is 1.
void add_granite(const GgufSettings& settings, nlohmann::ordered_json& config) {
  if (settings.flag("rope.scaling.finetuned") == false)
    settings.refuse("rope.scaling.finetuned", "true", "false, which is no rotary embedding");
  if (config["attention_multiplier"].is_null())
    config["attention_multiplier"] = 1 / std::sqrt(config["head_dim"].get<double>());
}

const std::array<Family, 4> kLlamaFamilies = {{
    {"llama", read_llama, {.gguf = "llama", .gguf_paired_rows = true}},
    {.model_type = "granite",
     .read = read_granite,
     .names = {.gguf = "granite", .gguf_paired_rows = true},
     .gguf = {.numbers = {{"embedding_scale", "embedding_multiplier", 1},
                          {"residual_scale", "residual_multiplier", 1},
                          {"attention.scale", "attention_multiplier"},
                          {"logit_scale", "logits_scaling", 1}},
              .add = add_granite}},
    {.model_type = "smollm3",
     .read = read_smollm3,
     .names = {.gguf = "smollm3", .gguf_paired_rows = true},
     .rope = {.theta = 2e6}},
    {"seed_oss", read_seed_oss, {.gguf = "seed_oss", .gguf_mlp_norm = "post_attention_norm"}},
}};

}  // namespace

std::span<const Family> llama_families() { return kLlamaFamilies; }

}  // namespace refocus
