#include "model/config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"

namespace refocus {

namespace {

using nlohmann::json;

// Reads typed fields of one JSON object; every message names the file and the field.
class Fields {
 public:
  Fields(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  bool has(const char* key) const { return object_.contains(key) && !object_.at(key).is_null(); }

  std::int64_t size(const char* key) const {
    if (!has(key)) throw input_error(where_, "expected a positive integer for {}, got none", key);
    const json& v = object_.at(key);
    constexpr std::int64_t kMost = std::int64_t{1} << 31;
    if (!v.is_number_integer() || v.get<std::int64_t>() <= 0 || v.get<std::int64_t>() > kMost) {
      throw input_error(where_, "expected a positive integer for {}, got {}", key,
                        printable(json_text(v), 40));
    }
    return v.get<std::int64_t>();
  }
  std::int64_t size_or(const char* key, std::int64_t fallback) const {
    return has(key) ? size(key) : fallback;
  }

  double positive_or(const char* key, double fallback) const {
    if (!has(key)) return fallback;
    const json& v = object_.at(key);
    if (!v.is_number() || !(v.get<double>() > 0) || !std::isfinite(v.get<double>())) {
      throw input_error(where_, "expected a positive number for {}, got {}", key,
                        printable(json_text(v), 40));
    }
    return v.get<double>();
  }

  std::string text_or(const char* key, std::string fallback) const {
    if (!has(key)) return fallback;
    const json& v = object_.at(key);
    if (!v.is_string())
      throw input_error(where_, "expected a string for {}, got {}", key, printable(json_text(v), 40));
    return v.get<std::string>();
  }

  bool flag(const char* key) const { return has(key) && object_.at(key) == true; }
  const json& at(const char* key) const { return object_.at(key); }

 private:
  const json& object_;
  std::string where_;
};

RopeScaling parse_rope_scaling(const json& object, const std::string& where) {
  if (!object.is_object()) throw input_error(where, "expected an object or null for rope_scaling");
  const Fields fields(object, where + " rope_scaling");
  RopeScaling scaling;
  const std::string kind = fields.text_or("rope_type", fields.text_or("type", "default"));
  if (kind == "default") return scaling;
  if (kind == "linear") {
    scaling.kind = RopeScaling::Kind::kLinear;
  } else if (kind == "dynamic") {
    scaling.kind = RopeScaling::Kind::kDynamic;
  } else if (kind == "llama3") {
    scaling.kind = RopeScaling::Kind::kLlama3;
  } else {
    throw input_error(where,
                      "expected RoPE scaling linear, dynamic or llama3, got {}; this model is not supported",
                      printable(kind));
  }
  if (!fields.has("factor"))
    throw input_error(where, "expected a positive number for rope_scaling factor, got none");
  scaling.factor = fields.positive_or("factor", 1);
  scaling.low_freq_factor = fields.positive_or("low_freq_factor", scaling.low_freq_factor);
  scaling.high_freq_factor = fields.positive_or("high_freq_factor", scaling.high_freq_factor);
  scaling.original_max_position_embeddings =
      fields.positive_or("original_max_position_embeddings", scaling.original_max_position_embeddings);
  if (scaling.kind == RopeScaling::Kind::kLlama3 && scaling.high_freq_factor <= scaling.low_freq_factor) {
    throw input_error(where, "expected high_freq_factor above low_freq_factor in rope_scaling, got {} and {}",
                      scaling.high_freq_factor, scaling.low_freq_factor);
  }
  return scaling;
}

void check_architecture(const Fields& fields, const std::string& where) {
  const std::string type = fields.text_or("model_type", "llama");
  // Mistral without a sliding window computes exactly what LLaMA does.
  const bool plain_mistral = type == "mistral" && !fields.has("sliding_window");
  if (type != "llama" && !plain_mistral) {
    throw input_error(where, "expected model_type llama, got {}; this architecture is not supported",
                      printable(type));
  }
  const std::string activation = fields.text_or("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") {
    throw input_error(where, "expected hidden_act silu, got {}; this architecture is not supported",
                      printable(activation));
  }
}

void check_heads(const LlamaConfig& c, const std::string& where) {
  if (c.num_attention_heads % c.num_key_value_heads != 0) {
    throw input_error(where,
                      "expected num_attention_heads to be a multiple of num_key_value_heads, got {} and {}",
                      c.num_attention_heads, c.num_key_value_heads);
  }
  if (c.head_dim % 2 != 0) throw input_error(where, "expected an even head_dim, got {}", c.head_dim);
  if (c.rope_scaling.kind == RopeScaling::Kind::kDynamic && c.head_dim < 4) {
    throw input_error(where, "expected head_dim of at least 4 with dynamic RoPE scaling, got {}", c.head_dim);
  }
}

}  // namespace

std::int64_t LlamaConfig::context_length() const {
  const bool stretched =
      rope_scaling.kind == RopeScaling::Kind::kLinear || rope_scaling.kind == RopeScaling::Kind::kDynamic;
  if (!stretched) return max_position_embeddings;
  return static_cast<std::int64_t>(static_cast<double>(max_position_embeddings) *
                                   std::max(1.0, rope_scaling.factor));
}

LlamaConfig parse_config(std::string_view text, const std::string& where) {
  const json object = parse_json_object(text, {where, "download the file again"});
  const Fields fields(object, where);
  check_architecture(fields, where);
  LlamaConfig c;
  c.vocab_size = fields.size("vocab_size");
  c.hidden_size = fields.size("hidden_size");
  c.intermediate_size = fields.size("intermediate_size");
  c.num_hidden_layers = fields.size("num_hidden_layers");
  c.num_attention_heads = fields.size("num_attention_heads");
  c.num_key_value_heads = fields.size_or("num_key_value_heads", c.num_attention_heads);
  if (!fields.has("head_dim") && c.hidden_size % c.num_attention_heads != 0) {
    throw input_error(where, "expected hidden_size to be a multiple of num_attention_heads, got {} and {}",
                      c.hidden_size, c.num_attention_heads);
  }
  c.head_dim = fields.size_or("head_dim", c.hidden_size / c.num_attention_heads);
  c.max_position_embeddings = fields.size_or("max_position_embeddings", c.max_position_embeddings);
  c.rms_norm_eps = static_cast<float>(fields.positive_or("rms_norm_eps", 1e-6));
  c.rope_theta = fields.positive_or("rope_theta", c.rope_theta);
  c.tie_word_embeddings = fields.flag("tie_word_embeddings");
  if (fields.has("rope_scaling")) c.rope_scaling = parse_rope_scaling(fields.at("rope_scaling"), where);
  if (fields.has("rope_parameters")) {  // newer files keep rope_theta and the scaling together
    c.rope_scaling = parse_rope_scaling(fields.at("rope_parameters"), where);
    c.rope_theta = Fields(fields.at("rope_parameters"), where).positive_or("rope_theta", c.rope_theta);
  }
  check_heads(c, where);
  return c;
}

}  // namespace refocus
