#include "convert/metadata.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "architecture/rope_settings.h"
#include "base/error.h"

namespace refocus {

namespace {

// enum llama_ftype of llama.h; it describes the file and decides nothing.
std::uint32_t file_type(ConvertType type) {
  switch (type) {
    case ConvertType::kF32:
      return 0;
    case ConvertType::kF16:
      return 1;
    case ConvertType::kBF16:
      return 32;
    case ConvertType::kQ8_0:
      return 7;
    case ConvertType::kQ4_0:
      return 2;
    case ConvertType::kQ4_K:
      return 14;
  }
  return 0;
}

// The architecture of the family's GGUF files; the Mistral family's are llama.
std::string_view gguf_architecture(const ModelConfig& c) {
  return c.names.gguf.empty() ? "llama" : c.names.gguf;
}

void add_yarn(const ModelConfig& c, const std::string& architecture, const std::string& where,
              GgufMetadata& out) {
  const RopeScaling& s = c.rope.scaling;
  const RopeScaling usual;
  if (std::abs(s.attention_factor - yarn_attention_factor(s.factor)) > 1e-6 || !s.truncate ||
      s.beta_fast != usual.beta_fast || s.beta_slow != usual.beta_slow) {
    throw input_error(
        where,
        "has YaRN scaling with settings of its own, which are not written to GGUF files; use the "
        "model as it is");
  }
  out.add_text(architecture + ".rope.scaling.type", "yarn");
  out.add_f32(architecture + ".rope.scaling.factor", static_cast<float>(s.factor));
  out.add_u32(architecture + ".rope.scaling.original_context_length",
              static_cast<std::uint32_t>(s.original_max_position_embeddings));
}

void add_config(const ModelConfig& c, const std::string& where, GgufMetadata& out) {
  const std::string architecture(gguf_architecture(c));
  const auto size = [&](std::string_view key, std::int64_t value) {
    out.add_u32(fmt::format("{}.{}", architecture, key), static_cast<std::uint32_t>(value));
  };
  const auto number = [&](std::string_view key, double value) {
    out.add_f32(fmt::format("{}.{}", architecture, key), static_cast<float>(value));
  };
  size("vocab_size", c.vocab_size);
  size("context_length", c.max_position_embeddings);
  size("embedding_length", c.hidden_size);
  size("block_count", c.num_hidden_layers);
  size("feed_forward_length", c.intermediate_size);
  size("attention.head_count", c.num_attention_heads);
  size("attention.head_count_kv", c.num_key_value_heads);
  size("attention.key_length", c.head_dim);
  size("attention.value_length", c.head_dim);
  number("attention.layer_norm_rms_epsilon", c.norm_eps);
  size("rope.dimension_count", c.head_dim);
  number("rope.freq_base", c.rope.theta);
  switch (c.rope.scaling.kind) {
    case RopeScaling::Kind::kNone:
    case RopeScaling::Kind::kLlama3:  // rope_freqs.weight says it
      break;
    case RopeScaling::Kind::kLinear:
      out.add_text(architecture + ".rope.scaling.type", "linear");
      number("rope.scaling.factor", c.rope.scaling.factor);
      break;
    case RopeScaling::Kind::kYarn:
      add_yarn(c, architecture, where, out);
      break;
    case RopeScaling::Kind::kDynamic:
    case RopeScaling::Kind::kLongrope:
      throw input_error(where,
                        "has {} RoPE scaling, which is not written to GGUF files; use the model as it is",
                        c.rope.scaling.kind == RopeScaling::Kind::kDynamic ? "dynamic" : "longrope");
  }
  if (c.attention_softcap > 0) number("attn_logit_softcapping", c.attention_softcap);
  if (c.final_softcap > 0) number("final_logit_softcapping", c.final_softcap);
  for (const LayerConfig& layer : c.layers) {
    if (layer.window == 0) continue;
    size("attention.sliding_window", layer.window);
    break;
  }
}

void add_vocabulary(const StoredVocabulary& v, GgufMetadata& out) {
  out.add_text("tokenizer.ggml.model", v.model);
  if (!v.pre.empty()) out.add_text("tokenizer.ggml.pre", v.pre);
  out.add_texts("tokenizer.ggml.tokens", v.tokens);
  if (!v.scores.empty()) out.add_floats("tokenizer.ggml.scores", v.scores);
  if (!v.types.empty()) out.add_integers("tokenizer.ggml.token_type", v.types);
  if (!v.merges.empty()) out.add_texts("tokenizer.ggml.merges", v.merges);
  const auto id = [&](std::string_view key, const std::optional<std::int32_t>& value) {
    if (value) out.add_u32(fmt::format("tokenizer.ggml.{}", key), static_cast<std::uint32_t>(*value));
  };
  id("bos_token_id", v.bos_id);
  id("eos_token_id", v.eos_id);
  id("eot_token_id", v.eot_id);
  id("eom_token_id", v.eom_id);
  id("unknown_token_id", v.unknown_id);
  id("padding_token_id", v.padding_id);
  const auto flag = [&](std::string_view key, const std::optional<bool>& value) {
    if (value) out.add_flag(fmt::format("tokenizer.ggml.{}", key), *value);
  };
  flag("add_bos_token", v.add_bos);
  flag("add_eos_token", v.add_eos);
  flag("add_space_prefix", v.add_space_prefix);
  flag("remove_extra_whitespaces", v.remove_extra_whitespaces);
  if (!v.character_map.empty()) out.add_bytes("tokenizer.ggml.precompiled_charsmap", v.character_map);
  std::vector<std::string> names;
  for (const auto& [name, source] : v.chat_templates) {
    if (name != "default") names.push_back(name);
    out.add_text(name == "default" ? "tokenizer.chat_template" : "tokenizer.chat_template." + name, source);
  }
  if (!names.empty()) out.add_texts("tokenizer.chat_templates", names);
}

// What GGUF has no key for, and its readers take from the family.
bool has_usual_windows(const ModelConfig& c) {
  for (std::int64_t l = 0; l < c.num_hidden_layers; ++l) {
    const bool usual =
        c.model_type == "gemma2" ? l % 2 == 0 : c.model_type == "gemma3_text" && (l + 1) % 6 != 0;
    if ((c.layer(l).window > 0) != usual) return false;
  }
  return true;
}

bool has_usual_scale(const ModelConfig& c) {
  if (c.attention_scale == 0) return true;
  const bool largest = c.num_hidden_layers == (c.model_type == "gemma2" ? 46 : 62);
  const std::int64_t size = largest ? c.hidden_size / c.num_attention_heads : c.head_dim;
  return std::abs(c.attention_scale * std::sqrt(static_cast<float>(size)) - 1) < 1e-5f;
}

}  // namespace

void refuse_unwritten(const ModelConfig& config, const std::string& where) {
  static constexpr std::string_view kWritten[] = {"llama", "mistral", "qwen2",      "qwen3",
                                                  "gemma", "gemma2",  "gemma3_text"};
  if (std::ranges::find(kWritten, config.model_type) == std::end(kWritten)) {
    throw input_error(
        where, "expected a model of {}, which GGUF files are written of, got {}; use the model as it is",
        fmt::join(kWritten, ", "), config.model_type);
  }
  const auto refuse = [&](std::string_view what) {
    throw input_error(where, "has {}, which GGUF files of {} cannot say; use the model as it is", what,
                      config.model_type);
  };
  if (!has_usual_windows(config)) refuse("windows on other layers than the family's own");
  if (!has_usual_scale(config)) refuse("a scale of attention of its own");
  if (config.activation != (config.norm_plus_one ? Activation::kGeluTanh : Activation::kSilu))
    refuse("another activation");
  const bool local = config.local_rope.has_value();
  if (local &&
      (config.local_rope->theta != 10000 || config.local_rope->scaling.kind != RopeScaling::Kind::kNone)) {
    refuse("rotary embeddings of its own in windowed layers");
  }
  if (config.model_type == "gemma3_text" && config.attention_softcap + config.final_softcap > 0)
    refuse("softcaps");
}

GgufMetadata make_metadata(const ModelConfig& config, const StoredVocabulary* vocabulary,
                           const ConvertOptions& options, const std::string& where) {
  GgufMetadata out;
  out.add_text("general.architecture", std::string(gguf_architecture(config)));
  out.add_text("general.type", "model");
  if (!options.name.empty()) out.add_text("general.name", options.name);
  out.add_u32("general.file_type", file_type(options.type));
  out.add_u32("general.quantization_version", 2);
  add_config(config, where, out);
  if (vocabulary != nullptr) {
    add_vocabulary(*vocabulary, out);
  } else {
    out.add_text("tokenizer.ggml.model", "no_vocab");
  }
  return out;
}

}  // namespace refocus
