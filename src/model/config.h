// A LLaMA model's geometry, read from a Hugging Face config.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace refocus {

struct RopeScaling {
  enum class Kind { kNone, kLinear, kDynamic, kLlama3 };
  Kind kind = Kind::kNone;
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3 only
  double original_max_position_embeddings = 8192;    // llama3 only
};

struct LlamaConfig {
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_position_embeddings = 2048;
  float rms_norm_eps = 1e-6f;
  double rope_theta = 10000;
  RopeScaling rope_scaling;
  bool tie_word_embeddings = false;

  // Tokens the model was made for: max_position_embeddings, times the factor of linear and dynamic scaling.
  std::int64_t context_length() const;
};

// Reads config.json's text; `where` names it in messages. InputError for another architecture, an activation
// other than SiLU, sizes that do not fit together, or a RoPE scaling other than none, linear, dynamic and
// llama3 (under "type" or "rope_type").
LlamaConfig parse_config(std::string_view json, const std::string& where);

}  // namespace refocus
