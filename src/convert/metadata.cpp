#include "convert/metadata.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "architecture/families.h"
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

// Writes keys of the architecture: "llama.block_count" and so on.
class KeyWriter {
 public:
  KeyWriter(std::string architecture, GgufMetadata& out)
      : architecture_(std::move(architecture)), out_(out) {}
  void size(std::string_view key, std::int64_t value) {
    out_.add_u32(full(key), static_cast<std::uint32_t>(value));
  }
  void number(std::string_view key, double value) { out_.add_f32(full(key), static_cast<float>(value)); }
  void text(std::string_view key, std::string_view value) { out_.add_text(full(key), value); }
  void flag(std::string_view key, bool value) { out_.add_flag(full(key), value); }
  void flags(std::string_view key, const std::vector<bool>& values) { out_.add_flags(full(key), values); }

 private:
  std::string full(std::string_view key) const { return fmt::format("{}.{}", architecture_, key); }
  std::string architecture_;
  GgufMetadata& out_;
};

void add_sizes(const ModelConfig& c, const NormFacts& norm, KeyWriter& out) {
  out.size("vocab_size", c.vocab_size);
  out.size("context_length", c.max_position_embeddings);
  out.size("embedding_length", c.hidden_size);
  out.size("block_count", c.num_hidden_layers);
  out.size("feed_forward_length", c.intermediate_size);
  out.size("attention.head_count", c.num_attention_heads);
  out.size("attention.head_count_kv", c.num_key_value_heads);
  out.size("attention.key_length", c.head_dim);
  out.size("attention.value_length", c.head_dim);
  out.number(
      norm.kind == NormKind::kRms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
      c.norm_eps);
}

void add_yarn(const ModelConfig& c, const std::string& where, KeyWriter& out) {
  const RopeScaling& s = c.rope.scaling;
  const RopeScaling usual;
  if (std::abs(s.attention_factor - yarn_attention_factor(s.factor)) > 1e-6 ||
      s.beta_fast != usual.beta_fast || s.beta_slow != usual.beta_slow) {
    throw input_error(
        where,
        "has YaRN scaling with settings of its own, which are not written to GGUF files; use the "
        "model as it is");
  }
  out.text("rope.scaling.type", "yarn");
  out.number("rope.scaling.factor", s.factor);
  out.size("rope.scaling.original_context_length",
           static_cast<std::int64_t>(s.original_max_position_embeddings));
}

void add_rope(const ModelConfig& c, const std::string& where, KeyWriter& out) {
  using Kind = RopeScaling::Kind;
  const RopeScaling& s = c.rope.scaling;
  out.size("rope.dimension_count", c.rotary());
  out.number("rope.freq_base", c.rope.theta);
  switch (s.kind) {
    case Kind::kNone:
    case Kind::kLlama3:  // rope_freqs.weight says it
      break;
    case Kind::kLinear:
      out.text("rope.scaling.type", "linear");
      out.number("rope.scaling.factor", s.factor);
      if (s.original_max_position_embeddings != static_cast<double>(c.max_position_embeddings)) {
        out.size("rope.scaling.original_context_length",
                 static_cast<std::int64_t>(s.original_max_position_embeddings));
      }
      break;
    case Kind::kYarn:
      add_yarn(c, where, out);
      break;
    case Kind::kLongrope:  // with rope_factors_short.weight and _long
      out.text("rope.scaling.type", "longrope");
      out.number("rope.scaling.attn_factor", s.attention_factor);
      out.size("rope.scaling.original_context_length",
               static_cast<std::int64_t>(s.original_max_position_embeddings));
      break;
    case Kind::kDynamic:
      throw input_error(
          where, "has dynamic RoPE scaling, which is not written to GGUF files; use the model as it is");
  }
}

// What a family computes with, under its name in config.json; 0: nothing.
double number_of(const ModelConfig& c, std::string_view name) {
  if (name == "attn_logit_softcapping") return c.attention_softcap;
  if (name == "final_logit_softcapping") return c.final_softcap;
  if (name == "embedding_multiplier") return c.embedding_multiplier;
  if (name == "residual_multiplier") return c.residual_multiplier;
  if (name == "attention_multiplier") return c.attention_scale;
  if (name == "logits_scaling") return 1 / c.logit_multiplier;
  if (name == "logit_scale") return c.logit_multiplier;
  return name == "clip_qkv" ? c.clip_qkv : 0;
}

void add_experts(const ExpertConfig& experts, KeyWriter& out) {
  if (experts.count == 0) return;
  out.size("expert_count", experts.count);
  out.size("expert_used_count", experts.per_token);
  out.size("expert_feed_forward_length", experts.intermediate_size);
  if (experts.shared_intermediate_size > 0) {
    out.size("expert_shared_feed_forward_length", experts.shared_intermediate_size);
  }
}

void add_windows(const ModelConfig& c, const GgufFacts& facts, KeyWriter& out) {
  std::vector<bool> pattern;
  std::int64_t window = 0;
  for (std::int64_t l = 0; l < c.num_hidden_layers; ++l) {
    window = std::max(window, c.layer(l).window);
    pattern.push_back(c.layer(l).window > 0);
  }
  if (facts.windows == GgufFacts::Windows::kNone || window == 0) return;
  out.size("attention.sliding_window", window);
  if (facts.windows == GgufFacts::Windows::kSomeLayers)
    out.flags("attention.sliding_window_pattern", pattern);
}

void add_config(const ModelConfig& c, const std::string& where, GgufMetadata& out) {
  const Family& family = *find_family(c.model_type);
  KeyWriter keys(std::string(c.names.gguf), out);
  add_sizes(c, family.norm, keys);
  add_rope(c, where, keys);
  add_experts(c.experts, keys);
  add_windows(c, family.gguf, keys);
  if (family.gguf.local_theta && c.local_rope) keys.number("rope.freq_base_swa", c.local_rope->theta);
  if (family.gguf.parallel_flag) {
    keys.flag("use_parallel_residual", c.placement == Placement::kParallelTwo);
  }
  for (const GgufNumber& number : family.gguf.numbers) {
    if (const double value = number_of(c, number.config); value != 0) keys.number(number.gguf, value);
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

}  // namespace

void refuse_unwritten(const ModelConfig& config, const std::string& where) {
  if (!config.names.gguf.empty()) return;
  throw input_error(where, "expected a family that GGUF files exist of ({}), got {}; use the model as it is",
                    fmt::join(gguf_architectures(), ", "), config.model_type);
}

GgufMetadata make_metadata(const ModelConfig& config, const StoredVocabulary* vocabulary,
                           const ConvertOptions& options, const std::string& where) {
  GgufMetadata out;
  out.add_text("general.architecture", config.names.gguf);
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
