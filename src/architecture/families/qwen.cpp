// Qwen 2, 2.5, 3 and their mixtures of experts.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "architecture/families.h"

namespace refocus {

namespace {

// A window only where use_sliding_window is true, and then on the layers from max_window_layers on.
void read_windows(const ConfigFields& fields, std::int64_t first) {
  const bool windows = fields.flag_or({"use_sliding_window"}, false);
  const auto window = windows ? read_window(fields, 4096) : std::nullopt;
  const std::int64_t from = fields.size_or({"max_window_layers"}, first);
  read_layer_types(fields, window, [&](std::int64_t l) { return window && l >= from; });
}

void read_qwen2(const ConfigFields& fields) {
  read_common(fields, {.kv_heads = 32, .context = 32768});
  fields.config().bias.qkv = true;
  read_rope(fields);
  read_windows(fields, 28);
}

void read_qwen3(const ConfigFields& fields) {
  read_common(fields, {.kv_heads = 32, .head_dim = 128, .context = 32768});
  read_attention_bias(fields);
  read_rope(fields);
  read_windows(fields, 28);
  fields.config().qk_norm = QkNorm::kHead;
}

// Which layers have experts: every decoder_sparse_step-th, but for mlp_only_layers.
void read_experts(const ConfigFields& fields, std::int64_t count, std::int64_t per_token, std::int64_t size) {
  ModelConfig& c = fields.config();
  c.experts.count = fields.size_or({"num_experts", "num_local_experts"}, count);
  c.experts.per_token = fields.size_or({"num_experts_per_tok"}, per_token);
  c.experts.intermediate_size = fields.size_or({"moe_intermediate_size"}, size);
  c.experts.renormalise = fields.flag_or({"norm_topk_prob"}, false);
  const std::int64_t step = fields.size_or({"decoder_sparse_step"}, 1);
  const auto dense = fields.integer_list("mlp_only_layers").value_or(std::vector<std::int64_t>{});
  for (std::int64_t l = 0; l < c.num_hidden_layers; ++l) {
    layer_of(c, l).experts = (l + 1) % step == 0 && std::find(dense.begin(), dense.end(), l) == dense.end();
  }
}

void read_qwen3_moe(const ConfigFields& fields) {
  read_common(fields, {.kv_heads = 4, .context = 32768});
  read_attention_bias(fields);
  read_rope(fields);
  ModelConfig& c = fields.config();
  const bool windows = fields.flag_or({"use_sliding_window"}, false);
  set_windows(c, windows ? read_window(fields, 4096) : std::nullopt);
  c.qk_norm = QkNorm::kHead;
  read_experts(fields, 128, 8, 768);
}

void read_qwen2_moe(const ConfigFields& fields) {
  read_common(fields, {.kv_heads = 16, .context = 32768});
  ModelConfig& c = fields.config();
  c.bias.qkv = fields.flag_or({"qkv_bias"}, true);
  read_rope(fields);
  read_windows(fields, 28);
  read_experts(fields, 60, 4, 1408);
  c.experts.shared_intermediate_size = fields.size_or({"shared_expert_intermediate_size"}, 5632);
}

// What llama.cpp computes of every file of the architecture, since files do not say it.
void add_qwen3_moe(const GgufSettings&, nlohmann::ordered_json& config) { config["norm_topk_prob"] = true; }

void add_qwen2_moe(const GgufSettings& settings, nlohmann::ordered_json& config) {
  config["norm_topk_prob"] = false;
  if (const auto shared = settings.count("expert_shared_feed_forward_length"))
    config["shared_expert_intermediate_size"] = *shared;
}

const std::array<Family, 4> kQwenFamilies = {{
    {"qwen2", read_qwen2, {.gguf = "qwen2"}},
    {"qwen3", read_qwen3, {.gguf = "qwen3"}},
    {.model_type = "qwen3_moe",
     .read = read_qwen3_moe,
     .names = {.router = "mlp.gate", .experts = "mlp.experts.{}.", .gguf = "qwen3moe"},
     .gguf = {.expert_size = "moe_intermediate_size", .add = add_qwen3_moe}},
    {.model_type = "qwen2_moe",
     .read = read_qwen2_moe,
     .names = {.router = "mlp.gate",
               .experts = "mlp.experts.{}.",
               .shared_expert = "mlp.shared_expert.",
               .shared_expert_gate = "mlp.shared_expert_gate",
               .gguf = "qwen2moe"},
     .gguf = {.expert_size = "moe_intermediate_size", .add = add_qwen2_moe}},
}};

}  // namespace

std::span<const Family> qwen_families() { return kQwenFamilies; }

}  // namespace refocus
