// Mistral: a window on all layers, or by layer_types (Ministral), or experts (Mixtral).
#include <array>

#include "architecture/families.h"

namespace refocus {

namespace {

void read_mistral(const ConfigFields& fields) {
  read_common(fields, {.kv_heads = 8, .context = 131072});
  read_rope(fields);
  set_windows(fields.config(), read_window(fields, 4096));
}

void read_ministral(const ConfigFields& fields) {
  read_common(fields, {.kv_heads = 8, .context = 131072});
  read_rope(fields);
  const auto window = read_window(fields, 4096);
  read_layer_types(fields, window, [&](std::int64_t) { return window.has_value(); });
}

void read_mixtral(const ConfigFields& fields) {
  read_common(fields, {.kv_heads = 8, .context = 131072, .eps = 1e-5});
  read_rope(fields);
  ModelConfig& c = fields.config();
  set_windows(c, read_window(fields, std::nullopt));
  c.experts.count = fields.size_or({"num_local_experts", "num_experts"}, 8);
  c.experts.per_token = fields.size_or({"num_experts_per_tok"}, 2);
  c.experts.intermediate_size = c.intermediate_size;
  c.experts.renormalise = true;
  set_experts_on_all_layers(c);
}

// Files of mistral say nothing of its window and are read as llama's; those of mixtral have experts.
bool is_no_file(const GgufSettings&) { return false; }
bool has_experts(const GgufSettings& settings) { return settings.count("expert_count").has_value(); }

const std::array<Family, 3> kMistralFamilies = {{
    {.model_type = "mistral",
     .read = read_mistral,
     .names = {.gguf = "llama", .gguf_paired_rows = true},
     .gguf = {.is_of = is_no_file}},
    {"ministral", read_ministral, {.gguf = ""}},
    {.model_type = "mixtral",
     .read = read_mixtral,
     .names = {.router = "block_sparse_moe.gate",
               .experts = "block_sparse_moe.experts.{}.",
               .expert_gate = "w1",
               .expert_up = "w3",
               .expert_down = "w2",
               .gguf = "llama",
               .gguf_paired_rows = true},
     .rope = {.theta = 1e6},
     .gguf = {.is_of = has_experts}},
}};

}  // namespace

std::span<const Family> mistral_families() { return kMistralFamilies; }

}  // namespace refocus
