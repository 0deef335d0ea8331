#include <algorithm>
#include <nlohmann/json.hpp>

#include "architecture/families.h"
#include "base/error.h"
#include "base/json_reader.h"

namespace refocus {

namespace {

using nlohmann::json;
using Kind = RopeScaling::Kind;

void check_model_type(const ConfigFields& fields, const json& object) {
  if (find_family(fields.config().model_type) != nullptr) return;
  if (object.contains("text_config")) {
    fields.refuse("model_type", "a model of text alone",
                  "models that see or hear are not read; use the text model of that family");
  }
  fields.refuse("model_type", "one of " + family_list(), "use a model of one of these families");
}

// Settings that change what a model computes and that are not read for every family: where one stands in a
// config whose family does not read it, transformers passes over it, and so does this program, with a word.
void warn_of_unread(const ConfigFields& fields, const json& object) {
  struct Setting {
    const char* key;
    json without_effect;
  };
  static const Setting kSettings[] = {{"sliding_window", nullptr},
                                      {"attn_logit_softcapping", nullptr},
                                      {"final_logit_softcapping", nullptr},
                                      {"logit_scale", 1},
                                      {"embedding_multiplier", 1},
                                      {"residual_multiplier", 1},
                                      {"attention_multiplier", nullptr},
                                      {"logits_scaling", 1},
                                      {"scale_emb", 1},
                                      {"scale_depth", nullptr},
                                      {"query_pre_attn_scalar", nullptr},
                                      {"clip_qkv", nullptr},
                                      {"num_local_experts", 0},
                                      {"num_experts", 0},
                                      {"no_rope_layers", nullptr},
                                      {"use_qk_norm", false},
                                      {"qk_layernorm", false},
                                      {"attention_bias", false},
                                      {"mlp_bias", false},
                                      {"use_bias", false},
                                      {"hidden_activation", nullptr}};
  const ModelConfig& c = fields.config();
  for (const Setting& setting : kSettings) {
    const auto it = object.find(setting.key);
    if (it == object.end() || it->is_null() || *it == setting.without_effect) continue;
    const bool known =
        std::ranges::find(c.facts, setting.key, &ConfigFact::name) != c.facts.end() ||
        (setting.key == std::string_view("no_rope_layers") && c.model_type == "smollm3") ||
        (setting.key == std::string_view("sliding_window") && object.contains("use_sliding_window"));
    if (known) continue;
    fields.warn(fmt::format("{} is {}, but {} computes nothing with it: it is without effect", setting.key,
                            fields.shown(setting.key), c.model_type));
  }
}

void refuse_other_attention(const ConfigFields& fields) {
  if (fields.has("is_causal") && !fields.flag_or({"is_causal"}, true)) {
    fields.refuse("is_causal", "true", "attention to later tokens is not computed here, use another model");
  }
  if (fields.has("use_bidirectional_attention") && fields.shown("use_bidirectional_attention") != "false") {
    fields.refuse("use_bidirectional_attention", "false",
                  "attention to later tokens is not computed here, use another model");
  }
}

void check_experts(const ConfigFields& fields) {
  const ExpertConfig& e = fields.config().experts;
  if (e.count > 0 && e.per_token > e.count) {
    throw input_error(fields.where(),
                      "expected at most {} experts a token (their number), got {}; correct the file", e.count,
                      e.per_token);
  }
  if (e.count > 4096) {
    throw input_error(fields.where(), "expected at most 4096 experts, got {}; correct the file", e.count);
  }
}

void check_rope(const ConfigFields& fields) {
  const ModelConfig& c = fields.config();
  if (c.rope.scaling.kind == Kind::kDynamic && c.rotary() < 4) {
    throw input_error(fields.where(),
                      "expected head_dim of at least 4 with dynamic RoPE scaling, got {}; use another model",
                      c.rotary());
  }
  if (c.local_rope && c.local_rope->scaling.kind == Kind::kDynamic) {
    throw input_error(fields.where(),
                      "expected no dynamic RoPE scaling of windowed layers, got it; use another model");
  }
}

}  // namespace

std::int64_t ModelConfig::context_length() const {
  const RopeScaling& s = rope.scaling;
  const bool stretches = s.kind == Kind::kLinear || s.kind == Kind::kDynamic || s.kind == Kind::kYarn;
  if (!stretches) return max_position_embeddings;
  return static_cast<std::int64_t>(s.original_max_position_embeddings * std::max(1.0, s.factor));
}

std::string unlike_llama(const ModelConfig& c) {
  if (c.norm != NormKind::kRms) return "LayerNorm";
  if (!c.norm_weights) return "norms without weights";
  if (c.placement == Placement::kPost) return "norms after its branches alone";
  if (c.placement != Placement::kPre && c.placement != Placement::kSandwich) return "parallel branches";
  if (c.experts.count > 0) return "experts";
  if (c.mlp != MlpKind::kGated) return "a plain MLP";
  if (c.learned_positions) return "learned positions";
  if (c.interleaved_rope) return "interleaved rotary embeddings";
  if (c.rotary() != c.head_dim) return "partial rotary embeddings";
  if (!c.names.qkv.empty() || !c.names.gate_up.empty()) return "fused projections";
  if (c.qk_norm == QkNorm::kFull) return "norms of queries and keys over all heads together";
  if (c.qk_norm == QkNorm::kEachHead) return "norms of queries and keys with weights for each head";
  if (c.qk_norm_after_rope) return "norms of queries and keys after their rotation";
  if (c.clip_qkv > 0) return "clipped queries, keys and values";
  if (c.attention_sinks) return "attention sinks";
  if (c.bias.head.value_or(false)) return "a bias of the output matrix";
  if (c.activation != Activation::kSilu && c.activation != Activation::kGeluTanh) {
    return "an activation other than silu and gelu_pytorch_tanh";
  }
  return "";
}

ModelConfig parse_config(std::string_view text, const std::string& where) {
  const json object = parse_json_object(text, {where, "download the file again"});
  ModelConfig c;
  const ConfigFields fields(object, where, c);
  c.model_type = fields.text_or({"model_type"}, "llama");
  check_model_type(fields, object);
  const Family& family = *find_family(c.model_type);
  c.names = family.names;
  family.read(fields);
  check_experts(fields);
  check_rope(fields);
  refuse_other_attention(fields);
  warn_of_unread(fields, object);
  return c;
}

}  // namespace refocus
