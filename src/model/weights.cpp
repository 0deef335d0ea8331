#include "model/weights.h"

#include <algorithm>
#include <cmath>

#include "architecture/gguf_names.h"
#include "base/error.h"
#include "model/weight_binder.h"
#include "tensor/block_formats.h"

namespace refocus {

namespace {

// Ranks share the outputs of a matrix in whole panels of the packed types.
constexpr std::int64_t kSharedRows = kPanelOutputs;

RowOrder shared_rows() {
  RowOrder order;
  order.shared_by = kSharedRows;
  return order;
}

std::string joined(const std::string& prefix, std::string_view name) {
  return std::string(prefix).append(name);
}

// The query, key and value matrices: three tensors, or rows of one.
void bind_qkv(WeightBinder& bind, const ModelConfig& c, const std::string& p, LayerWeights& w) {
  const TensorNames& n = c.names;
  const std::int64_t q_size = c.num_attention_heads * c.head_dim,
                     kv_size = c.num_key_value_heads * c.head_dim;
  // A rank has the query heads of its key/value heads.
  const std::int64_t group = q_size / c.num_key_value_heads;
  RowOrder plain, turned;
  plain.shared_by = turned.shared_by = c.head_dim;
  if (c.interleaved_rope && !bind.gguf()) {
    turned.paired_head_dim = c.head_dim;
    turned.paired_rotary = c.rotary_dim;
  }
  if (n.qkv.empty()) {
    RowOrder queries = turned;
    queries.shared_by = group;
    w.q_proj = bind.linear(joined(p, n.q), q_size, c.hidden_size, c.bias.qkv, queries);
    w.k_proj = bind.linear(joined(p, n.k), kv_size, c.hidden_size, c.bias.qkv, turned);
    w.v_proj = bind.linear(joined(p, n.v), kv_size, c.hidden_size, c.bias.qkv, plain);
    return;
  }
  const std::string name = joined(p, n.qkv);
  const std::int64_t all = q_size + 2 * kv_size, dim = c.head_dim;
  const bool by_head = n.qkv_rows == TensorNames::QkvRows::kByHead && !bind.gguf();
  const auto part = [&](std::int64_t which, std::int64_t first, std::int64_t size) {
    RowOrder order;
    order.shared_by = which == 0 ? group : dim;
    order.transposed = n.transposed && !bind.gguf();
    if (by_head) {
      order.stored = [=](std::int64_t row) { return row / dim * 3 * dim + which * dim + row % dim; };
    } else if (order.transposed) {
      order.stored = [=](std::int64_t row) { return first + row; };
    }
    return bind.rows(name, all, first, size, c.hidden_size, c.bias.qkv, order);
  };
  w.q_proj = part(0, 0, q_size);
  w.k_proj = part(1, q_size, kv_size);
  w.v_proj = part(2, q_size + kv_size, kv_size);
}

// Norms of queries and keys; their weights go the way of the rows where those are put in order.
void bind_qk_norms(WeightBinder& bind, const ModelConfig& c, const std::string& p, LayerWeights& w) {
  if (c.qk_norm == QkNorm::kNone) return;
  const auto bind_one = [&](std::string_view name, std::int64_t heads) {
    std::vector<std::int64_t> shape = {c.head_dim};
    if (c.qk_norm == QkNorm::kEachHead) shape = {heads, c.head_dim};
    if (c.qk_norm == QkNorm::kFull) shape = {heads * c.head_dim};
    Norm norm = bind.norm(joined(p, name), shape);
    if (c.interleaved_rope) {
      const std::vector<float> stored = norm.weight;
      for (std::size_t i = 0; i < stored.size(); ++i) {
        norm.weight[i] = stored[static_cast<std::size_t>(
            paired_row(static_cast<std::int64_t>(i), c.head_dim, c.rotary_dim))];
      }
    }
    return norm;
  };
  w.q_norm = bind_one(c.names.q_norm, c.num_attention_heads);
  w.k_norm = bind_one(c.names.k_norm, c.num_key_value_heads);
}

void bind_mlp(WeightBinder& bind, const ModelConfig& c, const std::string& p, LayerWeights& w) {
  const TensorNames& n = c.names;
  RowOrder order = shared_rows();
  order.transposed = n.transposed && !bind.gguf();
  if (!n.gate_up.empty()) {
    const std::string name = joined(p, n.gate_up);
    w.gate_proj = bind.rows(name, 2 * c.intermediate_size, 0, c.intermediate_size, c.hidden_size, c.bias.mlp,
                            shared_rows());
    w.up_proj = bind.rows(name, 2 * c.intermediate_size, c.intermediate_size, c.intermediate_size,
                          c.hidden_size, c.bias.mlp, shared_rows());
  } else {
    if (c.mlp != MlpKind::kPlain) {
      w.gate_proj =
          bind.linear(joined(p, n.gate), c.intermediate_size, c.hidden_size, c.bias.mlp, shared_rows());
    }
    w.up_proj = bind.linear(joined(p, n.up), c.intermediate_size, c.hidden_size, c.bias.mlp, order);
  }
  w.down_proj = bind.linear(joined(p, n.down), c.hidden_size, c.intermediate_size, c.bias.mlp, order);
}

// Experts stacked in one tensor each, [count, outputs, inputs]; NAME.bias [count, outputs] where the file has
// it.
void bind_stacked(WeightBinder& bind, const std::string& name, std::int64_t count, std::int64_t outputs,
                  std::int64_t inputs, std::vector<Linear>& out) {
  TensorView view = bind.take(name + ".weight", {count, outputs, inputs});
  std::vector<float> bias;
  if (bind.has(name + ".bias")) bias = bind.numbers(bind.take(name + ".bias", {count, outputs}));
  // Row r of expert e is number e * outputs + r, in the tensor and among the biases.
  for (std::int64_t e = 0; e < count; ++e)
    out.push_back(bind.rows_of(view, bias, e * outputs, outputs, inputs, shared_rows()));
}

// gpt-oss' experts: gate_up_proj [count, hidden, 2 inner] with gate and up in turn, down_proj [count, inner,
// hidden], and their biases.
void bind_fused_experts(WeightBinder& bind, const ModelConfig& c, const std::string& experts,
                        ExpertWeights& w) {
  const std::int64_t count = c.experts.count, inner = c.experts.intermediate_size, hidden = c.hidden_size;
  const TensorView& gate_up = bind.take(experts + "gate_up_proj", {count, hidden, 2 * inner});
  const TensorView& down = bind.take(experts + "down_proj", {count, inner, hidden});
  const auto gate_up_bias = bind.numbers(bind.take(experts + "gate_up_proj_bias", {count, 2 * inner}));
  const auto down_bias = bind.numbers(bind.take(experts + "down_proj_bias", {count, hidden}));
  const auto expert = [&](const TensorView& all, const std::vector<float>& biases, std::int64_t e,
                          std::int64_t step, std::int64_t first, std::int64_t outputs) {
    const std::int64_t in = all.shape[1], out = all.shape[2];
    TensorView one = all;
    one.shape = {in, out};
    one.data += static_cast<std::size_t>(e) * one.bytes();
    std::vector<float> its_biases;
    if (!biases.empty()) its_biases.assign(biases.begin() + e * out, biases.begin() + (e + 1) * out);
    RowOrder order{[=](std::int64_t row) { return step * row + first; }, true, 0, 0, kSharedRows};
    return bind.rows_of(one, its_biases, 0, outputs, in, order);
  };
  for (std::int64_t e = 0; e < count; ++e) {
    w.gate.push_back(expert(gate_up, gate_up_bias, e, 2, 0, inner));
    w.up.push_back(expert(gate_up, gate_up_bias, e, 2, 1, inner));
    w.down.push_back(expert(down, down_bias, e, 1, 0, hidden));
  }
}

void bind_experts(WeightBinder& bind, const ModelConfig& c, const std::string& p, ExpertWeights& w) {
  const TensorNames& n = c.names;
  const std::int64_t count = c.experts.count, inner = c.experts.intermediate_size, hidden = c.hidden_size;
  w.router = bind.linear(joined(p, n.router), count, hidden, c.experts.fused);
  const std::string stack = joined(p, stacked_experts(n));
  if (bind.gguf()) {
    bind_stacked(bind, joined(stack, n.expert_gate), count, inner, hidden, w.gate);
    bind_stacked(bind, joined(stack, n.expert_up), count, inner, hidden, w.up);
    bind_stacked(bind, joined(stack, n.expert_down), count, hidden, inner, w.down);
  } else if (c.experts.fused) {
    bind_fused_experts(bind, c, stack, w);
  } else {
    for (std::int64_t e = 0; e < count; ++e) {
      const std::string one = joined(p, fmt::format(fmt::runtime(n.experts), e));
      w.gate.push_back(bind.linear(joined(one, n.expert_gate), inner, hidden, false, shared_rows()));
      w.up.push_back(bind.linear(joined(one, n.expert_up), inner, hidden, false, shared_rows()));
      w.down.push_back(bind.linear(joined(one, n.expert_down), hidden, inner, false, shared_rows()));
    }
  }
  const std::int64_t shared = c.experts.shared_intermediate_size;
  if (shared == 0) return;
  const std::string one = joined(p, n.shared_expert);
  w.shared_gate = bind.linear(one + "gate_proj", shared, hidden, false, shared_rows());
  w.shared_up = bind.linear(one + "up_proj", shared, hidden, false, shared_rows());
  w.shared_down = bind.linear(one + "down_proj", hidden, shared, false, shared_rows());
  w.shared_expert_gate = bind.linear(joined(p, n.shared_expert_gate), 1, hidden, false);
}

LayerWeights bind_layer(WeightBinder& bind, const ModelConfig& c, std::int64_t layer) {
  const TensorNames& n = c.names;
  const std::string p = layer_prefix(n, layer);
  LayerWeights w;
  const auto norm = [&](std::string_view name) {
    return name.empty() ? Norm() : bind.norm(joined(p, name), {c.hidden_size});
  };
  w.attention_norm = norm(n.attention_norm);
  w.attention_output_norm = norm(n.attention_output_norm);
  w.mlp_norm = norm(n.mlp_norm);
  w.mlp_output_norm = norm(n.mlp_output_norm);
  bind_qkv(bind, c, p, w);
  bind_qk_norms(bind, c, p, w);
  RowOrder output = shared_rows();
  output.transposed = n.transposed && !bind.gguf();
  w.o_proj = bind.linear(joined(p, n.o), c.hidden_size, c.num_attention_heads * c.head_dim, c.bias.o, output);
  if (c.attention_sinks) w.sinks = bind.vector(joined(p, n.sinks), c.num_attention_heads);
  if (c.layer(layer).experts) {
    bind_experts(bind, c, p, w.experts);
  } else {
    bind_mlp(bind, c, p, w);
  }
  return w;
}

// Optional: GGUF files of Llama 3.1 have the factors in place of the scaling's parameters.
std::vector<float> bind_rope_factors(WeightBinder& bind, const ModelConfig& config,
                                     const std::string& where) {
  const std::string name(kRopeFactorsName);
  if (!bind.has(name)) return {};
  std::vector<float> factors = bind.vector(name, config.rotary() / 2);
  const bool usable =
      std::all_of(factors.begin(), factors.end(), [](float f) { return f > 0 && std::isfinite(f); });
  if (!usable) {
    throw input_error(where, "expected positive RoPE frequency factors, got others; convert the model again");
  }
  if (config.rope.scaling.kind != RopeScaling::Kind::kNone) {
    throw input_error(where, "expected RoPE frequency factors or rope_scaling, got both; remove one of them");
  }
  return factors;
}

}  // namespace

std::vector<Linear*> linears_of(ModelWeights& weights) {
  std::vector<Linear*> out;
  const auto add = [&](Linear& linear) {
    if (linear.present()) out.push_back(&linear);
  };
  for (LayerWeights& layer : weights.layers) {
    for (Linear* linear : {&layer.q_proj, &layer.k_proj, &layer.v_proj, &layer.o_proj, &layer.gate_proj,
                           &layer.up_proj, &layer.down_proj}) {
      add(*linear);
    }
    ExpertWeights& experts = layer.experts;
    add(experts.router);
    for (auto* group : {&experts.gate, &experts.up, &experts.down}) {
      for (Linear& linear : *group) add(linear);
    }
    for (Linear* linear :
         {&experts.shared_gate, &experts.shared_up, &experts.shared_down, &experts.shared_expert_gate}) {
      add(*linear);
    }
  }
  add(weights.lm_head);
  return out;
}

bool has_tied_embeddings(const ModelConfig& config, const WeightMap& map) {
  return config.tie_word_embeddings && map.find(std::string(config.names.head) + ".weight") == nullptr;
}

ModelWeights bind_weights(const ModelConfig& config, const WeightMap& map, const std::string& where,
                          const WeightShare& share) {
  ModelWeights w;
  WeightBinder bind(config, map, where, share, w);
  const TensorNames& n = config.names;
  bind.set_own(share.embeddings);
  w.embed_tokens = bind.linear(std::string(n.embeddings), config.vocab_size, config.hidden_size, false);
  if (config.learned_positions) {
    w.positions =
        bind.linear(std::string(n.positions), config.max_position_embeddings, config.hidden_size, false);
  }
  for (std::int64_t l = 0; l < config.num_hidden_layers; ++l) {
    bind.set_own(share.has_layer(l));
    w.layers.push_back(bind_layer(bind, config, l));
  }
  bind.set_own(true);
  w.norm = bind.norm(std::string(n.final_norm), {config.hidden_size});
  const bool tied = has_tied_embeddings(config, map);
  w.lm_head = bind.linear(std::string(tied ? n.embeddings : n.head), config.vocab_size, config.hidden_size,
                          tied ? std::optional(false) : config.bias.head, shared_rows());
  w.rope_factors = bind_rope_factors(bind, config, where);
  bind.refuse_others();
  return w;
}

std::optional<std::string> find_non_finite(const WeightMap& map) {
  for (const auto& [name, entry] : map.entries()) {
    std::int64_t at = first_non_finite(entry.view.dtype, entry.view.data, entry.view.elements());
    if (at < 0) continue;
    std::vector<std::int64_t> index(entry.view.shape.size());
    for (std::size_t d = index.size(); d-- > 0;) {
      index[d] = at % entry.view.shape[d];
      at /= entry.view.shape[d];
    }
    if (entry.view.paired_head_dim > 0) {
      index[0] = unpaired_row(index[0], entry.view.paired_head_dim, entry.view.paired_rotary);
    }
    return fmt::format("{} {}", printable(name), shape_text(index));
  }
  return std::nullopt;
}

}  // namespace refocus
