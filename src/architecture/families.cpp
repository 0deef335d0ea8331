#include "architecture/families.h"

#include <fmt/ranges.h>
#include <algorithm>

#include <array>

#include "base/error.h"

namespace refocus {

namespace {

std::vector<Family> all_families() {
  std::vector<Family> all;
  for (const auto& group :
       {llama_families(), mistral_families(), qwen_families(), gemma_families(), olmo_families(),
        phi_families(), gpt_families(), interleaved_families(), layer_norm_families()}) {
    all.insert(all.end(), group.begin(), group.end());
  }
  return all;
}

struct ActivationName {
  std::string_view name;
  Activation activation;
};
constexpr ActivationName kActivations[] = {
    {"silu", Activation::kSilu},         {"swish", Activation::kSilu},
    {"gelu", Activation::kGelu},         {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"gelu_new", Activation::kGeluTanh}, {"relu", Activation::kRelu},
    {"relu2", Activation::kReluSquared}};

std::string activation_name(Activation activation) {
  for (const ActivationName& known : kActivations) {
    if (known.activation == activation) return std::string(known.name);
  }
  return "?";
}

void check_heads(const ConfigFields& fields) {
  const ModelConfig& c = fields.config();
  if (c.num_attention_heads % c.num_key_value_heads != 0) {
    throw input_error(
        fields.where(),
        "expected a divisor of num_attention_heads ({}) for num_key_value_heads, got {}{}; correct the file, "
        "or download it again",
        c.num_attention_heads, c.num_key_value_heads,
        fields.has("num_key_value_heads") ? "" : ", the family's default");
  }
  if (c.head_dim % 2 != 0) {
    throw input_error(fields.where(), "expected an even head_dim, got {}; use another model", c.head_dim);
  }
}

}  // namespace

std::span<const Family> families() {
  static const std::vector<Family> kAll = all_families();
  return kAll;
}

const Family* find_family(std::string_view model_type) {
  const auto all = families();
  const auto it = std::ranges::find(all, model_type, &Family::model_type);
  return it == all.end() ? nullptr : &*it;
}

const Family* find_gguf_family(std::string_view architecture, const GgufSettings& settings) {
  const Family* usual = nullptr;
  for (const Family& family : families()) {
    if (family.names.gguf.empty() || family.names.gguf != architecture) continue;
    if (family.gguf.is_of != nullptr && family.gguf.is_of(settings)) return &family;
    if (family.gguf.is_of == nullptr && usual == nullptr) usual = &family;
  }
  return usual;
}

std::vector<std::string_view> gguf_architectures() {
  std::vector<std::string_view> out;
  for (const Family& family : families()) {
    const std::string_view name = family.names.gguf;
    if (!name.empty() && std::ranges::find(out, name) == out.end()) out.push_back(name);
  }
  return out;
}

std::string family_list() {
  std::vector<std::string_view> names;
  for (const Family& family : families()) names.push_back(family.model_type);
  return fmt::format("{}", fmt::join(names, ", "));
}

void read_common(const ConfigFields& fields, const SizeDefaults& defaults) {
  ModelConfig& c = fields.config();
  c.vocab_size = fields.size({"vocab_size"});
  c.hidden_size = fields.size({"hidden_size", "n_embd"});
  c.num_hidden_layers = fields.size({"num_hidden_layers", "n_layer"});
  c.num_attention_heads = fields.size({"num_attention_heads", "n_head"});
  const bool all_heads = defaults.kv_heads == 0 || fields.states("num_key_value_heads");
  c.num_key_value_heads =
      fields.size_or({"num_key_value_heads"}, all_heads ? c.num_attention_heads : defaults.kv_heads);
  c.intermediate_size = fields.any({"n_embd"})
                            ? fields.size_or({"intermediate_size", "n_inner"}, 4 * c.hidden_size)
                            : fields.size({"intermediate_size"});
  const bool own_dim = defaults.head_dim > 0 && !fields.states("head_dim");
  if (!own_dim && !fields.has("head_dim") && c.hidden_size % c.num_attention_heads != 0) {
    fields.refuse("hidden_size", fmt::format("a multiple of num_attention_heads ({}) beside no head_dim",
                                             c.num_attention_heads));
  }
  c.head_dim =
      fields.size_or({"head_dim"}, own_dim ? defaults.head_dim : c.hidden_size / c.num_attention_heads);
  c.max_position_embeddings = fields.size_or({"max_position_embeddings", "n_positions"}, defaults.context);
  const NormFacts norm = find_family(c.model_type)->norm;
  c.norm = norm.kind;
  const double eps =
      norm.eps_key == nullptr ? defaults.eps : fields.positive_or({norm.eps_key}, defaults.eps);
  c.norm_eps = static_cast<float>(eps);
  c.tie_word_embeddings = fields.flag_or({"tie_word_embeddings"}, defaults.tied);
  if (defaults.reads_activation) {
    read_activation(fields, {"hidden_act", "activation_function"}, defaults.activation);
  }
  check_heads(fields);
}

void read_activation(const ConfigFields& fields, Keys keys, Activation fallback) {
  const std::string name = fields.text_or(keys, activation_name(fallback));
  for (const ActivationName& known : kActivations) {
    if (known.name != name) continue;
    fields.config().activation = known.activation;
    return;
  }
  fields.refuse(*keys.begin(), "silu, gelu, gelu_new, gelu_pytorch_tanh, relu or relu2", "use another model");
}

void read_attention_bias(const ConfigFields& fields, bool fallback) {
  const bool biased = fields.flag_or({"attention_bias"}, fallback);
  fields.config().bias.qkv = fields.config().bias.o = biased;
}

void read_mlp_bias(const ConfigFields& fields) {
  fields.config().bias.mlp = fields.flag_or({"mlp_bias"}, false);
}

LayerConfig& layer_of(ModelConfig& config, std::int64_t layer) {
  if (config.layers.empty()) config.layers.resize(static_cast<std::size_t>(config.num_hidden_layers));
  return config.layers[static_cast<std::size_t>(layer)];
}

void set_windows(ModelConfig& config, std::optional<std::int64_t> window) {
  if (!window) return;
  for (std::int64_t l = 0; l < config.num_hidden_layers; ++l) layer_of(config, l).window = *window;
}

void turn_windowed_layers_locally(ModelConfig& config) {
  for (LayerConfig& layer : config.layers) {
    if (layer.window > 0) layer.rope = LayerConfig::Rope::kLocal;
  }
}

void set_experts_on_all_layers(ModelConfig& config) {
  for (std::int64_t l = 0; l < config.num_hidden_layers; ++l) layer_of(config, l).experts = true;
}

std::optional<std::int64_t> read_window(const ConfigFields& fields, std::optional<std::int64_t> absent) {
  if (fields.states("sliding_window")) return fields.optional_size({"sliding_window"});
  if (absent) return fields.size_or({"sliding_window"}, *absent);
  return std::nullopt;
}

void read_layer_types(const ConfigFields& fields, std::optional<std::int64_t> window,
                      const std::function<bool(std::int64_t layer)>& sliding) {
  ModelConfig& c = fields.config();
  const auto types = fields.text_list("layer_types");
  if (types && types->size() != static_cast<std::size_t>(c.num_hidden_layers)) {
    fields.refuse("layer_types", fmt::format("{} names (num_hidden_layers)", c.num_hidden_layers));
  }
  std::int64_t windowed = 0;
  for (std::int64_t l = 0; l < c.num_hidden_layers; ++l) {
    bool is_sliding = !types && sliding(l);
    if (types) {
      const std::string& type = (*types)[static_cast<std::size_t>(l)];
      if (type != "full_attention" && type != "sliding_attention") {
        throw input_error(
            fields.where(),
            "expected full_attention or sliding_attention in layer_types, got '{}'; use another model",
            printable(type, 40));
      }
      is_sliding = type == "sliding_attention";
    }
    if (!is_sliding) continue;
    if (!window) fields.refuse("sliding_window", "a whole number, as layer_types has sliding_attention");
    layer_of(c, l).window = *window;
    ++windowed;
  }
  fields.fact("layer_types", fmt::format("{} of {} layers within a window", windowed, c.num_hidden_layers),
              types ? "the file" : "default of " + c.model_type);
}

}  // namespace refocus
