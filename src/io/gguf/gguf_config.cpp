#include "io/gguf/gguf_config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "architecture/gguf_names.h"
#include "base/error.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;

// The shortest decimal number that is the same float32: what the model's author wrote.
double shortest(double value) { return std::stod(fmt::format("{}", static_cast<float>(value))); }

// The keys of the file's architecture: "llama.block_count" and so on.
class MetadataKeys final : public GgufSettings {
 public:
  explicit MetadataKeys(const GgufFile& file)
      : file_(file), architecture_(file.text("general.architecture").value_or("")) {}

  bool has_tensor(std::string_view name) const override { return file_.tensors().contains(name); }

  bool has(const std::string& key) const { return file_.has(full(key)); }

  std::int64_t size(const std::string& key) const {
    const auto n = optional_size(key);
    if (!n) {
      throw input_error(file_.where(), "expected the metadata '{}', got none; convert the model again",
                        full(key));
    }
    return *n;
  }

  // A size; files may have one for each layer, which must then be all the same.
  std::optional<std::int64_t> optional_size(const std::string& key) const {
    if (!has(key)) return std::nullopt;
    std::int64_t n = 0;
    try {
      n = *file_.integer(full(key));
    } catch (const InputError&) {
      const auto list = *file_.integers(full(key));
      const bool uniform = !list.empty() && std::count(list.begin(), list.end(), list[0]) ==
                                                static_cast<std::ptrdiff_t>(list.size());
      if (!uniform) refuse(key, "one size for all layers", "several");
      n = list[0];
    }
    if (n < 1 || n > (std::int64_t{1} << 31)) refuse(key, "a positive integer", std::to_string(n));
    return n;
  }

  std::optional<std::int64_t> count(const std::string& key) const override {
    if (has(key) && file_.integer(full(key)) == 0) return std::nullopt;
    return optional_size(key);
  }

  std::optional<double> positive(const std::string& key) const override {
    const auto x = file_.number(full(key));
    if (x && !(*x > 0 && std::isfinite(*x))) refuse(key, "a positive number", std::to_string(*x));
    return x ? std::optional(shortest(*x)) : std::nullopt;
  }

  std::optional<double> number(const std::string& key) const { return file_.number(full(key)); }
  std::optional<std::string_view> text(const std::string& key) const { return file_.text(full(key)); }
  std::optional<bool> flag(const std::string& key) const override { return file_.flag(full(key)); }

  // Which layers have a window: a list of truth values, or every so manieth layer that has none.
  std::optional<std::vector<bool>> window_pattern(std::int64_t layers) const {
    const std::string key = "attention.sliding_window_pattern";
    if (!has(key)) return std::nullopt;
    std::vector<bool> out(static_cast<std::size_t>(layers));
    if (const auto list = file_.flags(full(key))) {
      if (list->size() != out.size()) {
        refuse(key, fmt::format("{} truth values", layers), std::to_string(list->size()));
      }
      return list;
    }
    const std::int64_t period = size(key);
    for (std::int64_t l = 0; l < layers; ++l) out[static_cast<std::size_t>(l)] = (l + 1) % period != 0;
    return out;
  }

  [[noreturn]] void refuse(const std::string& key, std::string_view expected,
                           std::string_view got) const override {
    throw input_error(file_.where(),
                      "expected {} as metadata '{}', got {}; the engine computes no other, use another model",
                      expected, full(key), printable(got));
  }

  std::string full(const std::string& key) const { return architecture_ + "." + key; }

 private:
  const GgufFile& file_;
  std::string architecture_;
};

// Numbers that change what a model computes, and the value that changes nothing, which they must have where
// the family does not compute with them (GgufFacts::numbers).
struct KnownNumber {
  const char* key;
  double without_effect;
};

const KnownNumber kNumbers[] = {{"attn_logit_softcapping", 0},
                                {"final_logit_softcapping", 0},
                                {"embedding_scale", 1},
                                {"residual_scale", 1},
                                {"logit_scale", 1},
                                {"attention.scale", 0},
                                {"attention.output_scale", 1},
                                {"attention.value_scale", 1},
                                {"attention.clamp_kqv", 0},
                                {"attention.max_alibi_bias", 0},
                                {"attention.temperature_scale", 0},
                                {"attention.temperature_length", 0},
                                {"rope.scaling.alpha", 0},
                                {"rope.scaling.yarn_ext_factor", 1},
                                {"rope.scaling.yarn_log_multiplier", 0},
                                {"nextn_predict_layers", 0},
                                {"leading_dense_block_count", 0},
                                {"expert_group_count", 1},
                                {"expert_weights_scale", 1}};

void add_numbers(const MetadataKeys& keys, const Family& family, ordered_json& config) {
  for (const GgufNumber& number : family.gguf.numbers) {
    const auto value = keys.number(number.gguf);
    config[number.config] = value && *value != 0 ? ordered_json(shortest(*value))
                            : number.absent      ? ordered_json(*number.absent)
                                                 : ordered_json();
  }
  for (const KnownNumber& known : kNumbers) {
    const auto value = keys.number(known.key);
    // llama.cpp leaves out a factor of 0.
    if (!value || *value == known.without_effect || *value == 0) continue;
    const auto& computed = family.gguf.numbers;
    const auto is_it = [&](const GgufNumber& n) { return std::string_view(n.gguf) == known.key; };
    if (std::ranges::any_of(computed, is_it)) continue;
    keys.refuse(known.key, fmt::format("none for {}", family.model_type), fmt::format("{}", *value));
  }
  if (keys.has("rope.dimension_sections")) {
    keys.refuse("rope.dimension_sections", "none", "rotary embeddings of several dimensions");
  }
}

std::vector<double> factors_of(const GgufFile& file, const std::string& name) {
  const auto it = file.tensors().find(name);
  if (it == file.tensors().end()) {
    throw input_error(file.where(), "expected a tensor {} beside longrope, got none; convert the model again",
                      name);
  }
  std::vector<double> out;
  if (it->second.dtype != DType::kF32 && it->second.dtype != DType::kF16) {
    throw input_error(file.where(), "expected {} in F32, got {}; convert the model again", name,
                      name_of(it->second.dtype));
  }
  for (const float factor : to_f32(it->second)) out.push_back(shortest(factor));
  return out;
}

ordered_json yarn_scaling(const MetadataKeys& keys, ordered_json out) {
  if (!out.contains("factor")) keys.refuse("rope.scaling.factor", "a positive number", "none");
  for (const auto& [key, name] : {std::pair{"rope.scaling.yarn_beta_fast", "beta_fast"},
                                  std::pair{"rope.scaling.yarn_beta_slow", "beta_slow"},
                                  std::pair{"rope.scaling.yarn_attn_factor", "attention_factor"}}) {
    if (const auto value = keys.positive(key)) out[name] = *value;
  }
  return out;
}

ordered_json rope_scaling(const GgufFile& file, const MetadataKeys& keys) {
  const bool long_factors = file.tensors().contains("rope_factors_long.weight");
  std::string kind(keys.text("rope.scaling.type").value_or(long_factors ? "longrope" : "none"));
  auto factor = keys.positive("rope.scaling.factor");
  if (!factor && !keys.text("rope.scaling.type")) {  // how older files say it
    factor = keys.positive("rope.scale_linear");
    if (factor) kind = "linear";
  }
  if (factor && !keys.text("rope.scaling.type") && kind == "none") {
    keys.refuse("rope.scaling.factor", "none without rope.scaling.type", fmt::format("{}", *factor));
  }
  const auto attention = keys.positive("rope.scaling.attn_factor");
  const auto original = keys.optional_size("rope.scaling.original_context_length");
  if ((kind == "none" || kind == "linear") && attention.value_or(1) != 1) {
    keys.refuse("rope.scaling.attn_factor", "1", fmt::format("{}", *attention));
  }
  if (kind == "none" || (kind == "linear" && factor.value_or(1) == 1)) return nullptr;
  if (file.tensors().contains(kGgufRopeFactorsName)) {
    keys.refuse("rope.scaling.type", "none beside rope_freqs.weight", kind);
  }
  ordered_json out = {{"rope_type", kind}};
  if (factor && kind != "longrope") out["factor"] = *factor;
  if (original) out["original_max_position_embeddings"] = *original;
  if (kind == "linear") {
    out.erase("rope_type");
    out["type"] = kind;
    return out;
  }
  if (kind != "longrope" && attention.value_or(1) != 1) {
    keys.refuse("rope.scaling.attn_factor", "1", fmt::format("{}", *attention));
  }
  if (kind == "yarn") return yarn_scaling(keys, std::move(out));
  if (kind != "longrope") keys.refuse("rope.scaling.type", "none, linear, yarn or longrope", kind);
  if (attention) out["attention_factor"] = *attention;
  out["short_factor"] = factors_of(file, "rope_factors_short.weight");
  out["long_factor"] = factors_of(file, "rope_factors_long.weight");
  return out;
}

void add_head_dim(const MetadataKeys& keys, const Family& family, ordered_json& config) {
  const std::int64_t hidden = config["hidden_size"], heads = config["num_attention_heads"];
  const auto key_length = keys.optional_size("attention.key_length");
  const auto value_length = keys.optional_size("attention.value_length");
  const auto rotary = keys.optional_size("rope.dimension_count");
  if (!key_length && hidden % heads != 0) {
    keys.refuse("attention.head_count", "a divisor of embedding_length", std::to_string(heads));
  }
  const std::int64_t head_dim = key_length.value_or(hidden / heads);
  if (value_length.value_or(head_dim) != head_dim) {
    keys.refuse("attention.value_length", std::to_string(head_dim), std::to_string(*value_length));
  }
  if (head_dim % 2 != 0) keys.refuse("rope.dimension_count", "an even number", std::to_string(head_dim));
  config["head_dim"] = head_dim;
  if (family.rope.partial) {
    const double part = static_cast<double>(rotary.value_or(head_dim)) / static_cast<double>(head_dim);
    config[family.rope.fraction_key] = part;
  } else if (rotary.value_or(head_dim) != head_dim && family.names.positions.empty()) {
    keys.refuse("rope.dimension_count", std::to_string(head_dim), std::to_string(*rotary));
  }
  for (const auto& [key, usual] :
       {std::pair{"attention.key_length_swa", head_dim}, std::pair{"attention.value_length_swa", head_dim},
        std::pair{"rope.dimension_count_swa", rotary.value_or(head_dim)}}) {
    const auto local = keys.optional_size(key);
    if (local.value_or(usual) != usual) keys.refuse(key, std::to_string(usual), std::to_string(*local));
  }
}

std::int64_t vocab_size_of(const GgufFile& file) {
  const auto it = file.tensors().find("token_embd.weight");
  if (it == file.tensors().end() || it->second.shape.size() != 2) {
    throw input_error(file.where(),
                      "expected a tensor token_embd.weight of two dimensions, got none; convert it again");
  }
  return it->second.shape[0];
}

void add_eps(const MetadataKeys& keys, const NormFacts& norm, ordered_json& config) {
  const std::string key =
      norm.kind == NormKind::kRms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
  const auto eps = keys.positive(key);
  if (norm.eps_key == nullptr) return;
  if (!eps) keys.refuse(key, "a positive number", "none");
  config[norm.eps_key] = *eps;
}

void add_experts(const MetadataKeys& keys, const Family& family, ordered_json& config) {
  const auto count = keys.count("expert_count");
  if (!count) return;
  config["num_local_experts"] = *count;
  config["num_experts_per_tok"] = keys.size("expert_used_count");
  if (const auto inner = keys.optional_size("expert_feed_forward_length")) {
    config[family.gguf.expert_size] = *inner;
  }
}

void add_windows(const MetadataKeys& keys, const Family& family, ordered_json& config) {
  using Windows = GgufFacts::Windows;
  const auto window = keys.count("attention.sliding_window");
  const std::int64_t layers = config["num_hidden_layers"];
  if (family.gguf.windows == Windows::kNone) {
    if (!window) return;
    keys.refuse("attention.sliding_window", fmt::format("none for {}", family.model_type),
                std::to_string(*window));
  }
  config["sliding_window"] = window ? ordered_json(*window) : ordered_json();
  auto pattern = keys.window_pattern(layers);
  if (family.gguf.windows == Windows::kAllLayers) {
    if (pattern && window && std::ranges::find(*pattern, false) != pattern->end()) {
      keys.refuse("attention.sliding_window_pattern", "a window on all layers", "other layers");
    }
    return;
  }
  if (!window) pattern = std::vector<bool>(static_cast<std::size_t>(layers), false);
  if (!pattern) return;
  ordered_json& types = config["layer_types"] = ordered_json::array();
  for (const bool windowed : *pattern) types.push_back(windowed ? "sliding_attention" : "full_attention");
}

void refuse_what_no_family_has(const MetadataKeys& keys, const Family& family) {
  if (keys.flag("attention.causal") == false) keys.refuse("attention.causal", "true", "false");
  const auto local = keys.positive("rope.freq_base_swa");
  if (local && !family.gguf.local_theta && *local != keys.positive("rope.freq_base").value_or(10000)) {
    keys.refuse("rope.freq_base_swa", "none", fmt::format("{}", *local));
  }
}

}  // namespace

const Family& gguf_family(const GgufFile& file) {
  const auto architecture = file.text("general.architecture");
  if (!architecture) {
    throw input_error(file.where(), "expected general.architecture llama, got none; convert the model again");
  }
  const MetadataKeys keys(file);
  const Family* family = find_gguf_family(*architecture, keys);
  if (family == nullptr) {
    throw input_error(file.where(),
                      "expected general.architecture {}, got {}; use a model of one of these families",
                      fmt::join(gguf_architectures(), ", "), printable(*architecture));
  }
  const auto experts = keys.count("expert_count");
  if (experts && family->names.router.empty()) {
    keys.refuse("expert_count", "no experts", std::to_string(*experts));
  }
  return *family;
}

ordered_json gguf_config(const GgufFile& file, const Family& family, const StoredVocabulary* vocabulary) {
  const MetadataKeys keys(file);
  ordered_json config;
  config["model_type"] = family.model_type;
  config["vocab_size"] = vocab_size_of(file);
  config["hidden_size"] = keys.size("embedding_length");
  const std::int64_t layers = keys.size("block_count");
  if (layers > static_cast<std::int64_t>(file.tensors().size())) {  // before there are lists of so many
    keys.refuse("block_count", "no more layers than tensors", std::to_string(layers));
  }
  config["num_hidden_layers"] = layers;
  const std::int64_t heads = keys.size("attention.head_count");
  config["num_attention_heads"] = heads;
  config["num_key_value_heads"] = keys.optional_size("attention.head_count_kv").value_or(heads);
  const auto inner = keys.count("feed_forward_length");
  if (!inner && !keys.optional_size("expert_feed_forward_length")) keys.size("feed_forward_length");
  config["intermediate_size"] = inner.value_or(keys.optional_size("expert_feed_forward_length").value_or(1));
  add_head_dim(keys, family, config);
  config["max_position_embeddings"] = keys.size("context_length");
  add_eps(keys, family.norm, config);
  config[family.rope.theta_key] = keys.positive("rope.freq_base").value_or(10000.0);
  config["rope_scaling"] = rope_scaling(file, keys);
  config["tie_word_embeddings"] = !file.tensors().contains("output.weight");
  add_numbers(keys, family, config);
  add_experts(keys, family, config);
  add_windows(keys, family, config);
  refuse_what_no_family_has(keys, family);
  // For others the tensors tell whether a layer's branches stand side by side, whatever this key says.
  const auto parallel = keys.flag("use_parallel_residual");
  if (parallel && family.gguf.parallel_flag) config["use_parallel_residual"] = *parallel;
  if (family.gguf.add != nullptr) family.gguf.add(keys, config);
  if (vocabulary != nullptr && vocabulary->bos_id) config["bos_token_id"] = *vocabulary->bos_id;
  if (vocabulary != nullptr && vocabulary->eos_id) config["eos_token_id"] = *vocabulary->eos_id;
  return config;
}

}  // namespace refocus
