// Mistral: a window on all layers, or by layer_types (Ministral), or experts (Mixtral).
#include <array>

#include "architecture/families.h"
#include "architecture/rope_settings.h"

namespace refocus {

namespace {

void read_mistral(const ConfigFields& fields) {
  read_common(fields, {.kv_heads = 8, .context = 131072});
  read_rope(fields, {});
  set_windows(fields.config(), read_window(fields, 4096));
}

void read_ministral(const ConfigFields& fields) {
  read_common(fields, {.kv_heads = 8, .context = 131072});
  read_rope(fields, {});
  const auto window = read_window(fields, 4096);
  read_layer_types(fields, window, [&](std::int64_t) { return window.has_value(); });
}

void read_mixtral(const ConfigFields& fields) {
  read_common(fields, {.kv_heads = 8, .context = 131072, .eps = 1e-5});
  read_rope(fields, {.theta = 1e6});
  ModelConfig& c = fields.config();
  set_windows(c, read_window(fields, std::nullopt));
  c.experts.count = fields.size_or({"num_local_experts", "num_experts"}, 8);
  c.experts.per_token = fields.size_or({"num_experts_per_tok"}, 2);
  c.experts.intermediate_size = c.intermediate_size;
  c.experts.renormalise = true;
  set_experts_on_all_layers(c);
}

// GGUF files of the three are of the architecture llama.
const std::array<Family, 3> kMistralFamilies = {{
    {"mistral", read_mistral, {.gguf = "", .gguf_paired_rows = true}},
    {"ministral", read_ministral, {.gguf = ""}},
    {"mixtral",
     read_mixtral,
     {.router = "block_sparse_moe.gate",
      .experts = "block_sparse_moe.experts.{}.",
      .expert_gate = "w1",
      .expert_up = "w3",
      .expert_down = "w2",
      .gguf = "",
      .gguf_paired_rows = true}},
}};

}  // namespace

std::span<const Family> mistral_families() { return kMistralFamilies; }

}  // namespace refocus
