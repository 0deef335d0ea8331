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
  Fields(const json& object, std::string where, std::string inside = "")
      : object_(object), where_(std::move(where)), inside_(std::move(inside)) {}

  bool has(const char* key) const { return object_.contains(key) && !object_.at(key).is_null(); }

  std::int64_t size(const char* key) const {
    constexpr std::int64_t kMost = std::int64_t{1} << 31;
    const json* v = find(key);
    if (v == nullptr || !v->is_number_integer() || *v < 1 || *v > kMost)
      refuse(key, fmt::format("a whole number from 1 to {}", kMost));
    return v->get<std::int64_t>();
  }
  std::int64_t size_or(const char* key, std::int64_t fallback) const {
    return has(key) ? size(key) : fallback;
  }

  double positive(const char* key) const {
    const json* v = find(key);
    if (v == nullptr || !v->is_number() || !(v->get<double>() > 0) || !std::isfinite(v->get<double>())) {
      refuse(key, "a positive number");
    }
    return v->get<double>();
  }
  double positive_or(const char* key, double fallback) const { return has(key) ? positive(key) : fallback; }

  std::string text_or(const char* key, std::string fallback) const {
    if (!has(key)) return fallback;
    if (!find(key)->is_string()) refuse(key, "a string");
    return find(key)->get<std::string>();
  }

  bool flag(const char* key) const {
    if (!has(key)) return false;
    if (!find(key)->is_boolean()) refuse(key, "true or false");
    return find(key)->get<bool>();
  }

  // The fields of an object within this one.
  Fields object(const char* key) const {
    if (!has(key) || !find(key)->is_object()) refuse(key, "an object or null");
    return {*find(key), where_, key};
  }

  [[noreturn]] void refuse(const char* key, std::string_view expected,
                           std::string_view remedy = "correct the file, or download it again") const {
    const json* v = find(key);
    throw input_error(where_, "expected {} for {}{}{}, got {}; {}", expected, inside_,
                      inside_.empty() ? "" : ".", key, v == nullptr ? "none" : printable(json_text(*v), 40),
                      remedy);
  }

  const std::string& where() const { return where_; }

 private:
  const json* find(const char* key) const {
    const auto it = object_.find(key);
    return it == object_.end() ? nullptr : &*it;
  }

  const json& object_;
  std::string where_, inside_;
};

constexpr const char* kOtherModel = "use a model of the LLaMA family";

RopeScaling parse_rope_scaling(const Fields& fields) {
  RopeScaling scaling;
  const char* key = fields.has("rope_type") ? "rope_type" : "type";
  const std::string kind = fields.text_or(key, "default");
  if (kind == "default") return scaling;
  if (kind == "linear") {
    scaling.kind = RopeScaling::Kind::kLinear;
  } else if (kind == "dynamic") {
    scaling.kind = RopeScaling::Kind::kDynamic;
  } else if (kind == "llama3") {
    scaling.kind = RopeScaling::Kind::kLlama3;
  } else {
    fields.refuse(key, "default, linear, dynamic or llama3", "use a model with one of these");
  }
  scaling.factor = fields.positive("factor");
  scaling.low_freq_factor = fields.positive_or("low_freq_factor", scaling.low_freq_factor);
  scaling.high_freq_factor = fields.positive_or("high_freq_factor", scaling.high_freq_factor);
  scaling.original_max_position_embeddings =
      fields.positive_or("original_max_position_embeddings", scaling.original_max_position_embeddings);
  if (scaling.kind == RopeScaling::Kind::kLlama3 && scaling.high_freq_factor <= scaling.low_freq_factor) {
    fields.refuse("high_freq_factor", fmt::format("more than {} (low_freq_factor)", scaling.low_freq_factor));
  }
  return scaling;
}

void check_architecture(const Fields& fields) {
  const std::string type = fields.text_or("model_type", "llama");
  if (type != "llama" && type != "mistral") fields.refuse("model_type", "llama or mistral", kOtherModel);
  // Mistral without a sliding window computes exactly what LLaMA does.
  if (type == "mistral" && fields.has("sliding_window")) {
    const std::int64_t window = fields.size("sliding_window");
    fields.refuse(
        "sliding_window", "null, since attention within a window is not computed here",
        fmt::format("set it to null and max_position_embeddings to {}, which computes the same up to so "
                    "many tokens",
                    window));
  }
  const std::string activation = fields.text_or("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") fields.refuse("hidden_act", "silu", kOtherModel);
}

void check_heads(const LlamaConfig& c, const Fields& fields) {
  if (c.num_attention_heads % c.num_key_value_heads != 0) {
    fields.refuse("num_key_value_heads",
                  fmt::format("a divisor of num_attention_heads ({})", c.num_attention_heads));
  }
  if (c.head_dim % 2 != 0) {
    throw input_error(fields.where(), "expected an even head_dim, got {}; {}", c.head_dim, kOtherModel);
  }
  if (c.rope_scaling.kind == RopeScaling::Kind::kDynamic && c.head_dim < 4) {
    throw input_error(fields.where(), "expected head_dim of at least 4 with dynamic RoPE scaling, got {}; {}",
                      c.head_dim, kOtherModel);
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
  check_architecture(fields);
  LlamaConfig c;
  c.vocab_size = fields.size("vocab_size");
  c.hidden_size = fields.size("hidden_size");
  c.intermediate_size = fields.size("intermediate_size");
  c.num_hidden_layers = fields.size("num_hidden_layers");
  c.num_attention_heads = fields.size("num_attention_heads");
  c.num_key_value_heads = fields.size_or("num_key_value_heads", c.num_attention_heads);
  if (!fields.has("head_dim") && c.hidden_size % c.num_attention_heads != 0) {
    fields.refuse("hidden_size", fmt::format("a multiple of num_attention_heads ({}) beside no head_dim",
                                             c.num_attention_heads));
  }
  c.head_dim = fields.size_or("head_dim", c.hidden_size / c.num_attention_heads);
  c.max_position_embeddings = fields.size_or("max_position_embeddings", c.max_position_embeddings);
  c.rms_norm_eps = static_cast<float>(fields.positive_or("rms_norm_eps", 1e-6));
  c.rope_theta = fields.positive_or("rope_theta", c.rope_theta);
  c.tie_word_embeddings = fields.flag("tie_word_embeddings");
  if (fields.has("rope_scaling")) c.rope_scaling = parse_rope_scaling(fields.object("rope_scaling"));
  if (fields.has("rope_parameters")) {  // newer files keep rope_theta and the scaling together
    const Fields parameters = fields.object("rope_parameters");
    c.rope_scaling = parse_rope_scaling(parameters);
    c.rope_theta = parameters.positive_or("rope_theta", c.rope_theta);
  }
  check_heads(c, fields);
  return c;
}

}  // namespace refocus
