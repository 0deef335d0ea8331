#include "convert/plan.h"

#include <algorithm>

#include "architecture/gguf_names.h"
#include "base/error.h"
#include "model/rope_table.h"

namespace refocus {

namespace {

enum class PlanRows { kInOrder, kTurned };  // kTurned: query and key rows, which lie in pairs in some files

class TensorPlanner {
 public:
  TensorPlanner(const ModelConfig& config, const DTypeChoice& dtype) : c_(config), dtype_(dtype) {}

  std::vector<TensorPlan> take() {
    const auto order = [](const std::string& name) {
      const bool layer = name.starts_with("blk.");
      return std::pair(layer ? std::stoll(name.substr(4)) : -1, name);
    };
    std::ranges::sort(out_, {}, [&](const TensorPlan& plan) { return order(plan.info.name); });
    return std::move(out_);
  }

  // NAME.weight, of the rows of all parts; and NAME.bias, where they have any.
  void matrix(const std::string& name, std::vector<const Linear*> parts, PlanRows rows = PlanRows::kInOrder) {
    std::vector<float> bias;
    std::int64_t outputs = 0;
    for (const Linear* part : parts) {
      bias.insert(bias.end(), part->bias.begin(), part->bias.end());
      outputs += part->outputs;
    }
    const std::int64_t inputs = parts[0]->inputs;
    TensorPlan& plan = add(name + ".weight", {outputs, inputs});
    plan.matrices = std::move(parts);
    if (rows == PlanRows::kTurned && c_.names.gguf_paired_rows) {
      plan.paired_head_dim = c_.head_dim;
      plan.paired_rotary = c_.rotary_dim;
      bias = in_pairs(bias);
    }
    if (!bias.empty()) add(name + ".bias", {outputs}).values = std::move(bias);
  }

  // The experts' matrices as one tensor [count, outputs, inputs].
  void stack(const std::string& name, const std::vector<Linear>& experts) {
    const auto count = static_cast<std::int64_t>(experts.size());
    std::vector<float> bias;
    TensorPlan& plan = add(name + ".weight", {count, experts[0].outputs, experts[0].inputs});
    for (const Linear& expert : experts) {
      plan.matrices.push_back(&expert);
      bias.insert(bias.end(), expert.bias.begin(), expert.bias.end());
    }
    if (!bias.empty()) add(name + ".bias", {count, experts[0].outputs}).values = std::move(bias);
  }

  void norm(const std::string& name, const Norm& norm) {
    if (!norm.present() || !c_.norm_weights) return;
    const auto size = static_cast<std::int64_t>(norm.weight.size());
    add(name + ".weight", {size}).values = norm.weight;
    if (!norm.bias.empty()) add(name + ".bias", {size}).values = norm.bias;
  }

  void qk_norm(const std::string& name, const Norm& norm) {
    if (!norm.present()) return;
    const auto size = static_cast<std::int64_t>(norm.weight.size());
    const bool each = c_.qk_norm == QkNorm::kEachHead;
    std::vector<std::int64_t> shape = {size};
    if (each) shape = {size / c_.head_dim, c_.head_dim};
    add(name + ".weight", std::move(shape)).values =
        c_.names.gguf_paired_rows ? in_pairs(norm.weight) : norm.weight;
  }

  void values(std::string gguf_name, std::vector<float> all) {
    TensorPlan plan;
    plan.info = {std::move(gguf_name), {static_cast<std::int64_t>(all.size())}, DType::kF32};
    plan.source_name = plan.info.name;
    plan.values = std::move(all);
    out_.push_back(std::move(plan));
  }

  void sinks(const std::string& name, const std::vector<float>& sinks) {
    if (!sinks.empty()) add(name, {static_cast<std::int64_t>(sinks.size())}).values = sinks;
  }

 private:
  TensorPlan& add(std::string source_name, std::vector<std::int64_t> shape) {
    TensorPlan plan;
    plan.info.name = gguf_name(c_.names, source_name);
    REFOCUS_CHECK(!plan.info.name.empty());
    plan.info.dtype = dtype_(plan.info.name, shape);
    plan.info.shape = std::move(shape);
    plan.source_name = std::move(source_name);
    out_.push_back(std::move(plan));
    return out_.back();
  }

  std::vector<float> in_pairs(const std::vector<float>& rows) const {
    std::vector<float> out(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int64_t from = unpaired_row(static_cast<std::int64_t>(i), c_.head_dim, c_.rotary_dim);
      out[i] = rows[static_cast<std::size_t>(from)];
    }
    return out;
  }

  const ModelConfig& c_;
  const DTypeChoice& dtype_;
  std::vector<TensorPlan> out_;
};

void plan_attention(TensorPlanner& plan, const TensorNames& n, const std::string& p, const LayerWeights& w) {
  const auto name = [&](std::string_view own) { return p + std::string(own); };
  if (n.qkv.empty()) {
    plan.matrix(name(n.q), {&w.q_proj}, PlanRows::kTurned);
    plan.matrix(name(n.k), {&w.k_proj}, PlanRows::kTurned);
    plan.matrix(name(n.v), {&w.v_proj});
  } else {
    plan.matrix(name(n.qkv), {&w.q_proj, &w.k_proj, &w.v_proj});
  }
  plan.matrix(name(n.o), {&w.o_proj});
  plan.qk_norm(name(n.q_norm), w.q_norm);
  plan.qk_norm(name(n.k_norm), w.k_norm);
  plan.sinks(name(n.sinks), w.sinks);
}

void plan_mlp(TensorPlanner& plan, const TensorNames& n, const std::string& p, const LayerWeights& w) {
  const auto name = [&](std::string_view own) { return p + std::string(own); };
  const ExpertWeights& e = w.experts;
  if (e.gate.empty()) {
    if (n.gate_up.empty()) {
      if (w.gate_proj.present()) plan.matrix(name(n.gate), {&w.gate_proj});
      plan.matrix(name(n.up), {&w.up_proj});
    } else {
      plan.matrix(name(n.gate_up), {&w.gate_proj, &w.up_proj});
    }
    plan.matrix(name(n.down), {&w.down_proj});
    return;
  }
  const std::string stack = p + stacked_experts(n);
  plan.matrix(name(n.router), {&e.router});
  plan.stack(stack + std::string(n.expert_gate), e.gate);
  plan.stack(stack + std::string(n.expert_up), e.up);
  plan.stack(stack + std::string(n.expert_down), e.down);
  if (!e.shared_gate.present()) return;
  plan.matrix(name(n.shared_expert) + "gate_proj", {&e.shared_gate});
  plan.matrix(name(n.shared_expert) + "up_proj", {&e.shared_up});
  plan.matrix(name(n.shared_expert) + "down_proj", {&e.shared_down});
  plan.matrix(name(n.shared_expert_gate), {&e.shared_expert_gate});
}

// What stands in place of the parameters of llama3 scaling, and beside those of longrope.
void plan_rope(TensorPlanner& plan, const ModelConfig& c, const ModelWeights& w) {
  std::vector<float> factors = w.rope_factors.empty() ? llama3_frequency_factors(c) : w.rope_factors;
  if (!factors.empty()) plan.values(std::string(kGgufRopeFactorsName), std::move(factors));
  const RopeScaling& s = c.rope.scaling;
  if (s.kind != RopeScaling::Kind::kLongrope) return;
  plan.values("rope_factors_short.weight", {s.short_factor.begin(), s.short_factor.end()});
  plan.values("rope_factors_long.weight", {s.long_factor.begin(), s.long_factor.end()});
}

}  // namespace

std::vector<TensorPlan> plan_tensors(const ModelConfig& config, const ModelWeights& weights,
                                     const DTypeChoice& dtype) {
  const TensorNames& n = config.names;
  TensorPlanner plan(config, dtype);
  plan.matrix(std::string(n.embeddings), {&weights.embed_tokens});
  if (weights.positions.present()) plan.matrix(std::string(n.positions), {&weights.positions});
  plan.norm(std::string(n.final_norm), weights.norm);
  if (weights.lm_head.data != weights.embed_tokens.data) plan.matrix(std::string(n.head), {&weights.lm_head});
  plan_rope(plan, config, weights);
  for (std::size_t l = 0; l < weights.layers.size(); ++l) {
    const LayerWeights& w = weights.layers[l];
    const std::string p = layer_prefix(n, static_cast<std::int64_t>(l));
    plan.norm(p + std::string(n.attention_norm), w.attention_norm);
    plan.norm(p + std::string(n.attention_output_norm), w.attention_output_norm);
    plan.norm(p + std::string(n.mlp_norm), w.mlp_norm);
    plan.norm(p + std::string(n.mlp_output_norm), w.mlp_output_norm);
    plan_attention(plan, n, p, w);
    plan_mlp(plan, n, p, w);
  }
  return plan.take();
}

}  // namespace refocus
