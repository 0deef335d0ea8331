// The families of models that are read: for each a function from its config.json to named features
// (model_config.h), and the names of its tensors. docs/models.md says how to add one.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "architecture/config_fields.h"
#include "architecture/gguf_facts.h"
#include "architecture/rope_settings.h"

namespace refocus {

// The norms of a family and the name of their epsilon in its config.json; null: it has none, and the default
// counts.
struct NormFacts {
  NormKind kind = NormKind::kRms;
  const char* eps_key = "rms_norm_eps";
};

struct Family {
  std::string_view model_type;               // of config.json
  void (*read)(const ConfigFields& fields);  // fills fields.config(), whose model_type and names are set
  TensorNames names = {};
  NormFacts norm = {};
  RopeDefaults rope = {};
  GgufFacts gguf = {};
};

// All of them, in the order that messages list them in.
std::span<const Family> families();
// Null where there is none.
const Family* find_family(std::string_view model_type);
// The family of a GGUF file of an architecture; null where there is none.
const Family* find_gguf_family(std::string_view architecture, const GgufSettings& settings);
// The architectures of GGUF files that are read, in the order that messages list them in.
std::vector<std::string_view> gguf_architectures();
// "llama, mistral, qwen2, ...".
std::string family_list();

// The families of each file of families/.
std::span<const Family> llama_families();
std::span<const Family> mistral_families();
std::span<const Family> qwen_families();
std::span<const Family> gemma_families();
std::span<const Family> olmo_families();
std::span<const Family> phi_families();
std::span<const Family> gpt_families();
std::span<const Family> interleaved_families();
std::span<const Family> layer_norm_families();

// What families share.

struct SizeDefaults {
  std::int64_t kv_heads = 0;  // where the key is absent; 0: as many as heads
  std::int64_t head_dim = 0;  // where the key is absent; 0: hidden_size / heads
  std::int64_t context = 2048;
  double eps = 1e-6;
  bool tied = false;
  Activation activation = Activation::kSilu;
  bool reads_activation = true;  // false: the family has another key for it
};

// Sizes, context, eps, tied embeddings and activation (hidden_act), as most configs have them.
void read_common(const ConfigFields& fields, const SizeDefaults& defaults);
void read_activation(const ConfigFields& fields, Keys keys, Activation fallback);
// bias.qkv and bias.o by attention_bias, bias.mlp by mlp_bias where the family has it.
void read_attention_bias(const ConfigFields& fields, bool fallback = false);
void read_mlp_bias(const ConfigFields& fields);

// layers[l].window by layer_types, or where that is absent by `sliding(l)`; their window is sliding_window.
void read_layer_types(const ConfigFields& fields, std::optional<std::int64_t> window,
                      const std::function<bool(std::int64_t layer)>& sliding);
// A window on all layers.
void set_windows(ModelConfig& config, std::optional<std::int64_t> window);
// sliding_window; `absent` where the key is absent, none where it is null.
std::optional<std::int64_t> read_window(const ConfigFields& fields, std::optional<std::int64_t> absent);
// Windowed layers turn by local_rope.
void turn_windowed_layers_locally(ModelConfig& config);
// Every layer has experts in place of its MLP.
void set_experts_on_all_layers(ModelConfig& config);
// layers[l], made where there are none yet.
LayerConfig& layer_of(ModelConfig& config, std::int64_t layer);

}  // namespace refocus
