#include "convert/read_back.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "io/gguf/gguf_config.h"

namespace refocus {

namespace {

// The file as it would be, with the numbers that belong to its settings and zeros in the place of weights.
GgufFile file_to_be(const GgufMetadata& metadata, const std::vector<TensorPlan>& plans,
                    const std::string& where) {
  std::vector<GgufTensorInfo> infos;
  for (const TensorPlan& plan : plans) infos.push_back(plan.info);
  const GgufHead head = gguf_head(metadata, infos);
  const auto memory = MappedFile::in_memory(where, head.bytes.size() + head.tensor_bytes);
  memory->write(0, std::as_bytes(std::span(head.bytes)));
  GgufFile file = GgufFile::parse(memory);
  for (const TensorPlan& plan : plans) {
    if (!plan.info.name.starts_with("rope_factors")) continue;
    const TensorView& view = file.tensors().find(plan.info.name)->second;
    memory->write(static_cast<std::size_t>(view.data - memory->bytes().data()),
                  std::as_bytes(std::span(plan.values)));
  }
  return file;
}

bool same(double a, double b) { return std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b)); }

bool same_lists(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

// GGUF has llama3's factors as a tensor and not in the metadata.
bool same_scaling(const RopeScaling& a, const RopeScaling& b) {
  using Kind = RopeScaling::Kind;
  if (a.kind == Kind::kLlama3) return b.kind == Kind::kNone;
  if (a.kind != b.kind) return false;
  if (a.kind == Kind::kNone) return true;
  if (a.kind == Kind::kLinear) return same(a.factor, b.factor);
  const bool factors =
      a.kind == Kind::kLongrope
          ? same_lists(a.short_factor, b.short_factor) && same_lists(a.long_factor, b.long_factor)
          : same(a.factor, b.factor) && a.truncate == b.truncate && same(a.beta_fast, b.beta_fast) &&
                same(a.beta_slow, b.beta_slow);
  return factors && same(a.original_max_position_embeddings, b.original_max_position_embeddings) &&
         same(a.attention_factor, b.attention_factor);
}

bool same_layers(const ModelConfig& a, const ModelConfig& b, auto what) {
  for (std::int64_t l = 0; l < a.num_hidden_layers; ++l) {
    if (what(a.layer(l)) != what(b.layer(l))) return false;
  }
  return true;
}

double scale_of(const ModelConfig& c) {
  return c.attention_scale != 0 ? c.attention_scale : 1 / std::sqrt(static_cast<double>(c.head_dim));
}

// The first thing that two configurations compute differently, in words; empty where there is none.
std::string difference(const ModelConfig& a, const ModelConfig& b) {
  const auto windows = [](const LayerConfig& l) { return l.window; };
  const auto experts = [](const LayerConfig& l) { return l.experts; };
  // Without settings of their own, windowed layers turn as the others do.
  const auto rope = [](const LayerConfig& l) { return l.rope != LayerConfig::Rope::kNone; };
  const RopeConfig& local_a = a.local_rope ? *a.local_rope : a.rope;
  const RopeConfig& local_b = b.local_rope ? *b.local_rope : b.rope;
  const ExpertConfig &ea = a.experts, &eb = b.experts;
  if (!same_layers(a, b, windows)) return "windows on other layers than the file would say";
  if (!same_layers(a, b, experts)) return "experts on some layers only";
  if (!same_layers(a, b, rope)) return "rotary embeddings on other layers than the family's own";
  if (a.context_length() != b.context_length()) return "a context of its own";
  if (!same(a.rope.theta, b.rope.theta) || a.rotary() != b.rotary() ||
      !same_scaling(a.rope.scaling, b.rope.scaling)) {
    return "rotary embeddings of its own";
  }
  if (!same(local_a.theta, local_b.theta) || !same_scaling(local_a.scaling, local_b.scaling)) {
    return "rotary embeddings of its own in windowed layers";
  }
  if (a.activation != b.activation || a.mlp != b.mlp) return "another activation";
  if (!same(scale_of(a), scale_of(b))) return "a scale of attention of its own";
  if (a.placement != b.placement || a.norm != b.norm || !same(a.norm_eps, b.norm_eps) ||
      a.norm_weights != b.norm_weights) {
    return "norms of its own";
  }
  if (a.qk_norm != b.qk_norm) return "norms of queries and keys of its own";
  if (!same(a.attention_softcap, b.attention_softcap) || !same(a.final_softcap, b.final_softcap)) {
    return "softcaps";
  }
  if (!same(a.clip_qkv, b.clip_qkv)) return "clipped queries, keys and values";
  if (!same(a.embedding_multiplier, b.embedding_multiplier) ||
      !same(a.residual_multiplier, b.residual_multiplier) || !same(a.logit_multiplier, b.logit_multiplier)) {
    return "multipliers";
  }
  if (ea.count != eb.count || ea.per_token != eb.per_token || ea.intermediate_size != eb.intermediate_size ||
      ea.shared_intermediate_size != eb.shared_intermediate_size || ea.renormalise != eb.renormalise ||
      ea.scores != eb.scores) {
    return "experts of its own";
  }
  return "";
}

}  // namespace

void refuse_unsaid(const ModelConfig& config, const GgufMetadata& metadata,
                   const std::vector<TensorPlan>& plans, const std::string& where) {
  const GgufFile file = file_to_be(metadata, plans, where);
  const std::string text = json_text(gguf_config(file, gguf_family(file), nullptr));
  const std::string what = difference(config, parse_config(text, where));
  if (what.empty()) return;
  throw input_error(where, "has {}, which GGUF files of {} cannot say; use the model as it is", what,
                    config.model_type);
}

}  // namespace refocus
