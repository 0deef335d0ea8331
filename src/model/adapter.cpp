#include "model/adapter.h"

#include <map>

#include "base/error.h"

namespace refocus {

namespace {

using Matrices = std::map<std::string, Linear*, std::less<>>;

Matrices matrices_of(ModelWeights& weights) {
  Matrices out;
  for (std::size_t l = 0; l < weights.layers.size(); ++l) {
    LayerWeights& w = weights.layers[l];
    const std::string attention = fmt::format("model.layers.{}.self_attn.", l);
    const std::string mlp = fmt::format("model.layers.{}.mlp.", l);
    out[attention + "q_proj"] = &w.q_proj;
    out[attention + "k_proj"] = &w.k_proj;
    out[attention + "v_proj"] = &w.v_proj;
    out[attention + "o_proj"] = &w.o_proj;
    out[mlp + "gate_proj"] = &w.gate_proj;
    out[mlp + "up_proj"] = &w.up_proj;
    out[mlp + "down_proj"] = &w.down_proj;
  }
  out["lm_head"] = &weights.lm_head;
  return out;
}

void check_shape(const Adapter& adapter, const LowRank& change, const std::string& matrix,
                 const Linear& linear) {
  const std::vector<std::int64_t> a = {change.rank, linear.inputs}, b = {linear.outputs, change.rank};
  const bool wrong_a = change.inputs != linear.inputs;
  if (!wrong_a && change.outputs == linear.outputs) return;
  throw input_error(
      adapter.source, "expected tensor {} {} for {} [{}, {}], got {}; the adapter is another model's",
      wrong_a ? change.a_name : change.b_name, shape_text(wrong_a ? a : b), matrix, linear.outputs,
      linear.inputs,
      wrong_a ? shape_text({change.rank, change.inputs}) : shape_text({change.outputs, change.rank}));
}

Matrices checked_matrices(const Adapter& adapter, const std::string& model, ModelWeights& weights) {
  Matrices matrices = matrices_of(weights);
  for (const auto& [name, change] : adapter.matrices) {
    const auto found = matrices.find(name);
    if (found == matrices.end()) {
      throw input_error(
          adapter.source,
          "tensor {} [{}, {}] changes a matrix that {}, of {} layers, does not have; the adapter "
          "is another model's",
          printable(change.a_name, 160), change.rank, change.inputs, printable(model, 200),
          weights.layers.size());
    }
    check_shape(adapter, change, name, *found->second);
  }
  return matrices;
}

// Adapters name the modules of transformers' classes; where those are others than LLaMA's, they are not
// applied.
void refuse_other_names(const ModelConfig& config, const std::string& name) {
  const TensorNames usual, &n = config.names;
  const bool same = n.layer == usual.layer && n.q == usual.q && n.o == usual.o && n.qkv.empty() &&
                    n.gate_up.empty() && n.gate == usual.gate && n.up == usual.up && n.down == usual.down &&
                    config.experts.count == 0 && !config.interleaved_rope;
  if (same) return;
  throw input_error(name,
                    "expected a model whose matrices are named as LLaMA's for an adapter, got {}; merge the "
                    "adapter into the model with PEFT first",
                    config.model_type);
}

}  // namespace

AdapterBase adapter_base(const ModelConfig& config, const WeightMap& weights, std::string name) {
  using Kind = ModelModule::Kind;
  refuse_other_names(config, name);
  AdapterBase out{std::move(name), {}, &weights};
  const auto add = [&](std::string module, Kind kind) { out.modules.push_back({std::move(module), kind}); };
  add("model", Kind::kOther);
  add("model.embed_tokens", Kind::kEmbedding);
  add("model.layers", Kind::kOther);
  for (std::int64_t l = 0; l < config.num_hidden_layers; ++l) {
    const std::string layer = fmt::format("model.layers.{}", l);
    const auto has = [&](std::string_view part) {
      return weights.find(fmt::format("{}{}.weight", layer, part)) != nullptr;
    };
    if (!has(".input_layernorm") && !has(".self_attn.q_proj")) break;  // bind_weights will say so
    for (const char* other : {"", ".self_attn", ".mlp", ".mlp.act_fn"}) add(layer + other, Kind::kOther);
    const TensorNames& n = config.names;
    for (const std::string_view norm :
         {n.attention_norm, n.attention_output_norm, n.mlp_norm, n.mlp_output_norm}) {
      if (!norm.empty()) add(fmt::format("{}.{}", layer, norm), Kind::kOther);
    }
    for (const std::string_view norm : {n.q_norm, n.k_norm}) {
      if (config.qk_norm != QkNorm::kNone) add(fmt::format("{}.{}", layer, norm), Kind::kOther);
    }
    for (const char* matrix : {".self_attn.q_proj", ".self_attn.k_proj", ".self_attn.v_proj",
                               ".self_attn.o_proj", ".mlp.gate_proj", ".mlp.up_proj", ".mlp.down_proj"}) {
      add(layer + matrix, Kind::kLinear);
    }
  }
  add("model.norm", Kind::kOther);
  add("model.rotary_emb", Kind::kOther);
  add("lm_head", Kind::kLinear);
  out.tied = config.tie_word_embeddings && weights.find("lm_head.weight") == nullptr;
  return out;
}

void attach_adapter(const Adapter& adapter, const std::string& model, ModelWeights& weights) {
  const Matrices matrices = checked_matrices(adapter, model, weights);
  for (const auto& [name, change] : adapter.matrices) matrices.at(name)->adapter = &change;
}

}  // namespace refocus
