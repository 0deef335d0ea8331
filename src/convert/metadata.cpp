#include "convert/metadata.h"

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

void add_config(const LlamaConfig& c, const std::string& where, GgufMetadata& out) {
  const auto size = [&](std::string_view key, std::int64_t value) {
    out.add_u32(fmt::format("llama.{}", key), static_cast<std::uint32_t>(value));
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
  out.add_f32("llama.attention.layer_norm_rms_epsilon", c.rms_norm_eps);
  size("rope.dimension_count", c.head_dim);
  out.add_f32("llama.rope.freq_base", static_cast<float>(c.rope_theta));
  switch (c.rope_scaling.kind) {
    case RopeScaling::Kind::kNone:
    case RopeScaling::Kind::kLlama3:  // rope_freqs.weight says it
      break;
    case RopeScaling::Kind::kLinear:
      out.add_text("llama.rope.scaling.type", "linear");
      out.add_f32("llama.rope.scaling.factor", static_cast<float>(c.rope_scaling.factor));
      break;
    case RopeScaling::Kind::kDynamic:
      throw input_error(where,
                        "has dynamic RoPE scaling, which GGUF files cannot hold; use the model as it is");
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
  const auto flag = [&](std::string_view key, const std::optional<bool>& value) {
    if (value) out.add_flag(fmt::format("tokenizer.ggml.{}", key), *value);
  };
  flag("add_bos_token", v.add_bos);
  flag("add_eos_token", v.add_eos);
  flag("add_space_prefix", v.add_space_prefix);
  flag("remove_extra_whitespaces", v.remove_extra_whitespaces);
  if (!v.character_map.empty()) out.add_bytes("tokenizer.ggml.precompiled_charsmap", v.character_map);
  if (!v.chat_template.empty()) out.add_text("tokenizer.chat_template", v.chat_template);
}

}  // namespace

GgufMetadata make_metadata(const LlamaConfig& config, const StoredVocabulary* vocabulary,
                           const ConvertOptions& options, const std::string& where) {
  GgufMetadata out;
  out.add_text("general.architecture", "llama");
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
