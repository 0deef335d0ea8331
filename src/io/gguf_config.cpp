#include "io/gguf_config.h"

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
class MetadataKeys {
 public:
  explicit MetadataKeys(const GgufFile& file)
      : file_(file), architecture_(file.text("general.architecture").value_or("")) {}

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

  // 0 counts as absent.
  std::optional<std::int64_t> count(const std::string& key) const {
    if (has(key) && file_.integer(full(key)) == 0) return std::nullopt;
    return optional_size(key);
  }

  std::optional<double> positive(const std::string& key) const {
    const auto x = file_.number(full(key));
    if (x && !(*x > 0 && std::isfinite(*x))) refuse(key, "a positive number", std::to_string(*x));
    return x;
  }

  std::optional<double> number(const std::string& key) const { return file_.number(full(key)); }
  std::optional<std::string_view> text(const std::string& key) const { return file_.text(full(key)); }
  std::optional<bool> flag(const std::string& key) const { return file_.flag(full(key)); }

  [[noreturn]] void refuse(const std::string& key, std::string_view expected, std::string_view got) const {
    throw input_error(file_.where(),
                      "expected {} as metadata '{}', got {}; the engine computes no other, use another model",
                      expected, full(key), printable(got));
  }

  std::string full(const std::string& key) const { return architecture_ + "." + key; }

 private:
  const GgufFile& file_;
  std::string architecture_;
};

// A number of the metadata, what it is in config.json, and the families that read it; for others it must have
// the value that changes nothing.
struct Number {
  const char* gguf;
  const char* config;
  std::initializer_list<std::string_view> families;
  double without_effect;
};

const Number kNumbers[] = {
    {"attn_logit_softcapping", "attn_logit_softcapping", {"gemma2", "gemma3_text"}, 0},
    {"final_logit_softcapping", "final_logit_softcapping", {"gemma2", "gemma3_text"}, 0},
    {"embedding_scale", "embedding_multiplier", {"granite"}, 1},
    {"residual_scale", "residual_multiplier", {"granite"}, 1},
    {"attention.scale", "attention_multiplier", {"granite"}, 0},
    {"attention.clamp_kqv", "clip_qkv", {"olmo", "olmoe"}, 0},
    {"attention.max_alibi_bias", "", {}, 0},
    {"attention.temperature_scale", "", {}, 0},
    {"attention.temperature_length", "", {}, 0},
    {"expert_weights_scale", "", {}, 1},
};

bool applies(const Number& number, std::string_view family) {
  return std::ranges::find(number.families, family) != number.families.end();
}

void add_numbers(const MetadataKeys& keys, std::string_view family, ordered_json& config) {
  for (const Number& number : kNumbers) {
    const auto value = keys.number(number.gguf);
    if (!value || *value == number.without_effect) continue;
    if (!applies(number, family)) {
      keys.refuse(number.gguf, fmt::format("none for {}", family), fmt::format("{}", *value));
    }
    config[number.config] = shortest(*value);
  }
  if (const auto scale = keys.number("logit_scale"); scale && *scale != 0 && *scale != 1) {
    if (family == "granite") {
      config["logits_scaling"] = shortest(*scale);
    } else if (family == "cohere" || family == "cohere2") {
      config["logit_scale"] = shortest(*scale);
    } else {
      keys.refuse("logit_scale", fmt::format("none for {}", family), fmt::format("{}", *scale));
    }
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

ordered_json rope_scaling(const GgufFile& file, const MetadataKeys& keys, std::string_view family) {
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
  if (factor && kind != "longrope") out["factor"] = shortest(*factor);
  if (original) out["original_max_position_embeddings"] = *original;
  if (kind == "linear") return {{"type", "linear"}, {"factor", *factor}};
  if (kind == "yarn") {
    if (!factor) keys.refuse("rope.scaling.factor", "a positive number", "none");
    if (attention.value_or(1) != 1)
      keys.refuse("rope.scaling.attn_factor", "1", fmt::format("{}", *attention));
    if (family == "gpt_oss") out["truncate"] = false;  // which has no key of its own
    for (const auto& [key, name] : {std::pair{"rope.scaling.yarn_beta_fast", "beta_fast"},
                                    std::pair{"rope.scaling.yarn_beta_slow", "beta_slow"}}) {
      if (const auto beta = keys.positive(key)) out[name] = shortest(*beta);
    }
    return out;
  }
  if (kind != "longrope") keys.refuse("rope.scaling.type", "none, linear, yarn or longrope", kind);
  if (attention) out["attention_factor"] = shortest(*attention);
  out["short_factor"] = factors_of(file, "rope_factors_short.weight");
  out["long_factor"] = factors_of(file, "rope_factors_long.weight");
  return out;
}

bool turns_parts(std::string_view family) {
  static constexpr std::string_view kFamilies[] = {"phi3", "phi", "gpt_neox", "glm4", "stablelm", "nemotron"};
  return std::ranges::find(kFamilies, family) != std::end(kFamilies);
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
  if (turns_parts(family.model_type)) {
    const double part = static_cast<double>(rotary.value_or(head_dim)) / static_cast<double>(head_dim);
    config[family.model_type == "gpt_neox" ? "rotary_pct" : "partial_rotary_factor"] = part;
  } else if (rotary.value_or(head_dim) != head_dim && family.model_type != "gpt2") {
    keys.refuse("rope.dimension_count", std::to_string(head_dim), std::to_string(*rotary));
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

void add_eps(const MetadataKeys& keys, std::string_view family, ordered_json& config) {
  const auto rms = keys.positive("attention.layer_norm_rms_epsilon"),
             layer = keys.positive("attention.layer_norm_epsilon");
  const char* name = "rms_norm_eps";
  bool rms_norm = false;
  if (family == "gpt2") {
    name = "layer_norm_epsilon";
  } else if (family == "starcoder2") {
    name = "norm_epsilon";
  } else if (family == "nemotron") {
    name = "norm_eps";
  } else if (family == "gpt_neox" || family == "phi" || family == "cohere" || family == "cohere2" ||
             family == "stablelm" || family == "olmo") {
    name = "layer_norm_eps";
  } else {
    rms_norm = true;
  }
  const auto eps = rms_norm ? rms : layer;
  if (!eps && family == "olmo") return;
  const std::string key = rms_norm ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
  if (!eps) keys.refuse(key, "a positive number", "none");
  config[name] = shortest(*eps);
}

void add_experts(const MetadataKeys& keys, std::string_view family, ordered_json& config) {
  const auto count = keys.count("expert_count");
  if (!count) return;
  config["num_local_experts"] = *count;
  config["num_experts_per_tok"] = keys.size("expert_used_count");
  const auto inner = keys.optional_size("expert_feed_forward_length");
  if (family == "qwen3_moe" || family == "qwen2_moe") {
    if (inner) config["moe_intermediate_size"] = *inner;
    config["norm_topk_prob"] = family == "qwen3_moe";
    if (const auto shared = keys.optional_size("expert_shared_feed_forward_length")) {
      config["shared_expert_intermediate_size"] = *shared;
    }
  } else if (inner) {
    config["intermediate_size"] = *inner;
  }
}

// What is no number: windows, patterns, and the constants of a family that GGUF has no key for.
void add_family_settings(const MetadataKeys& keys, std::string_view family, ordered_json& config) {
  const std::int64_t layers = config["num_hidden_layers"];
  const auto window = keys.count("attention.sliding_window");
  static constexpr std::string_view kWindowed[] = {"gemma2",  "gemma3_text", "phi3",
                                                   "gpt_oss", "cohere2",     "starcoder2"};
  if (window && std::ranges::find(kWindowed, family) == std::end(kWindowed)) {
    keys.refuse("attention.sliding_window", fmt::format("none for {}", family), std::to_string(*window));
  }
  if (std::ranges::find(kWindowed, family) != std::end(kWindowed)) {
    config["sliding_window"] = window ? ordered_json(*window) : ordered_json();
  }
  if (const auto causal = keys.flag("attention.causal"); causal && !*causal)
    keys.refuse("attention.causal", "true", "false");
  if (const auto parallel = keys.flag("use_parallel_residual")) {
    if (family == "gpt_neox") {
      config["use_parallel_residual"] = *parallel;
    } else if (*parallel) {
      keys.refuse("use_parallel_residual", "false", "true");
    }
  }
  // llama.cpp computes the largest models of Gemma 2 and 3 with hidden_size / heads in place of head_dim.
  if (family == "gemma2" || family == "gemma3_text") {
    const bool largest = layers == (family == "gemma2" ? 46 : 62);
    config["query_pre_attn_scalar"] = largest ? config["hidden_size"].get<std::int64_t>() /
                                                    config["num_attention_heads"].get<std::int64_t>()
                                              : config["head_dim"].get<std::int64_t>();
    if (family == "gemma2" && !config.contains("attn_logit_softcapping"))
      config["attn_logit_softcapping"] = nullptr;
    if (family == "gemma2" && !config.contains("final_logit_softcapping"))
      config["final_logit_softcapping"] = nullptr;
  }
  if (const auto local = keys.positive("rope.freq_base_swa")) {
    if (family != "gemma3_text" && *local != keys.positive("rope.freq_base").value_or(10000)) {
      keys.refuse("rope.freq_base_swa", "none", fmt::format("{}", *local));
    }
    if (family == "gemma3_text") config["rope_local_base_freq"] = *local;
  }
}

const char* theta_name(std::string_view family) {
  return family == "gpt_neox" ? "rotary_emb_base" : "rope_theta";
}

}  // namespace

const Family& gguf_family(const GgufFile& file) {
  const auto architecture = file.text("general.architecture");
  if (!architecture) {
    throw input_error(file.where(), "expected general.architecture llama, got none; convert the model again");
  }
  const Family* family = find_gguf_family(*architecture);
  if (family == nullptr) {
    std::vector<std::string_view> read;
    for (const Family& known : families()) {
      if (!known.names.gguf.empty()) read.push_back(known.names.gguf);
    }
    throw input_error(file.where(),
                      "expected general.architecture {}, got {}; use a model of one of these families",
                      fmt::join(read, ", "), printable(*architecture));
  }
  const MetadataKeys keys(file);
  const auto experts = keys.count("expert_count");
  if (!experts) return *family;
  if (*architecture == "llama") return *find_family("mixtral");
  if (family->names.router.empty()) keys.refuse("expert_count", "no experts", std::to_string(*experts));
  return *family;
}

ordered_json gguf_config(const GgufFile& file, const Family& family, const StoredVocabulary* vocabulary) {
  const MetadataKeys keys(file);
  const std::string_view type = family.model_type;
  ordered_json config;
  config["model_type"] = type;
  config["vocab_size"] = vocab_size_of(file);
  config["hidden_size"] = keys.size("embedding_length");
  config["num_hidden_layers"] = keys.size("block_count");
  const std::int64_t heads = keys.size("attention.head_count");
  config["num_attention_heads"] = heads;
  config["num_key_value_heads"] = keys.optional_size("attention.head_count_kv").value_or(heads);
  const auto inner = keys.count("feed_forward_length");
  if (!inner && !keys.optional_size("expert_feed_forward_length")) keys.size("feed_forward_length");
  config["intermediate_size"] = inner.value_or(keys.optional_size("expert_feed_forward_length").value_or(1));
  add_head_dim(keys, family, config);
  config["max_position_embeddings"] = keys.size("context_length");
  add_eps(keys, type, config);
  config[theta_name(type)] = keys.positive("rope.freq_base").value_or(10000.0);
  config["rope_scaling"] = rope_scaling(file, keys, type);
  config["tie_word_embeddings"] = !file.tensors().contains("output.weight");
  add_numbers(keys, type, config);
  add_experts(keys, type, config);
  add_family_settings(keys, type, config);
  if (vocabulary != nullptr && vocabulary->bos_id) config["bos_token_id"] = *vocabulary->bos_id;
  if (vocabulary != nullptr && vocabulary->eos_id) config["eos_token_id"] = *vocabulary->eos_id;
  return config;
}

}  // namespace refocus
