// Construction, the forward pass and the products; graph_backward.cpp has the rest.
#include "train/graph.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "model/rope_table.h"

namespace refocus {

namespace {

AlignedBuffer<float> floats(std::int64_t rows, std::int64_t width) {
  return AlignedBuffer<float>(static_cast<std::size_t>(rows * width));
}

}  // namespace

std::int64_t TrainingBatch::counted() const {
  return std::count_if(targets.begin(), targets.end(), [](std::int32_t t) { return t >= 0; });
}

void TrainingBatch::add(std::span<const std::int32_t> sequence, std::span<const std::uint8_t> counts) {
  REFOCUS_CHECK(sequence.size() == counts.size() + 1 && !counts.empty());
  sequences.push_back({rows(), static_cast<std::int64_t>(counts.size())});
  for (std::size_t i = 0; i < counts.size(); ++i) {
    tokens.push_back(sequence[i]);
    targets.push_back(counts[i] != 0 ? sequence[i + 1] : -1);
  }
}

TrainingGraph::TrainingGraph(const ModelConfig& config, ThreadPool& pool, std::int64_t context,
                             std::span<const float> rope_factors)
    : config_(config),
      pool_(pool),
      hidden_(config.hidden_size),
      inner_(config.intermediate_size),
      q_size_(config.num_attention_heads * config.head_dim),
      kv_size_(config.num_key_value_heads * config.head_dim),
      qkv_size_(q_size_ + 2 * kv_size_),
      cosines_(floats(context, config.head_dim / 2)),
      sines_(floats(context, config.head_dim / 2)) {
  RopeTable table(config_, rope_factors);
  REFOCUS_CHECK(!table.depends_on_length(context));
  const std::int64_t half = config_.head_dim / 2;
  for (std::int64_t p = 0; p < context; ++p) {
    table.fill(p, context, cosines_.data() + p * half, sines_.data() + p * half);
  }
}

TrainingGraph::TrainingGraph(const ModelConfig& config, const ParameterLayout& layout, ThreadPool& pool,
                             std::int64_t context)
    : TrainingGraph(config, pool, context, {}) {
  layout_ = &layout;
}

TrainingGraph::TrainingGraph(const ModelConfig& config, FrozenWeights& base, const LoraLayout& lora,
                             ThreadPool& pool, std::int64_t context)
    : TrainingGraph(config, pool, context, base.rope_factors()) {
  base_ = &base;
  lora_ = &lora;
  adapters_.emplace(lora, pool);
}

LayerPointers TrainingGraph::folded_weights(const float* weights, std::int64_t layer) {
  LayerPointers w = base_->layer(layer);
  std::int64_t size = 0;
  for (std::size_t i = 0; i < kLinearGroups; ++i) {
    const LoraGroup& g = lora_->group(layer, static_cast<LinearGroup>(i));
    size += g.members.empty() ? 0 : g.outputs * g.inputs;
  }
  if (folded_.size() < static_cast<std::size_t>(size)) folded_ = floats(size, 1);
  float* to = folded_.data();
  for (std::size_t i = 0; i < kLinearGroups; ++i) {
    const auto group = static_cast<LinearGroup>(i);
    const LoraGroup& g = lora_->group(layer, group);
    if (g.members.empty()) continue;
    pool_.parallel_for(g.outputs, [&](std::int64_t row, int) {
      std::copy_n(w.matrices[i] + row * g.inputs, g.inputs, to + row * g.inputs);
    });
    adapters_->fold(layer, group, weights, to);
    w.matrices[i] = to;
    to += g.outputs * g.inputs;
  }
  return w;
}

LayerPointers TrainingGraph::layer_weights(const float* weights, std::int64_t layer) {
  if (!trains_all()) return folded_weights(weights, layer);
  const LayerOffsets& at = layout_->layers()[static_cast<std::size_t>(layer)];
  return {weights + at.input_layernorm,
          weights + at.post_attention_layernorm,
          {weights + at.qkv, weights + at.o_proj, weights + at.gate_up, weights + at.down_proj},
          {}};
}

void TrainingGraph::grow(std::int64_t rows, std::int64_t layers) {
  if (rows > capacity_) {
    layers_.clear();
    capacity_ = rows;
    x_ = floats(rows, hidden_);
    dx_ = floats(rows, hidden_);
    d_normed_ = floats(rows, hidden_);
  }
  while (static_cast<std::int64_t>(layers_.size()) < layers) {
    layers_.push_back({floats(capacity_, hidden_), floats(capacity_, hidden_), floats(capacity_, qkv_size_),
                       floats(capacity_, q_size_), floats(capacity_, config_.num_attention_heads),
                       floats(capacity_, hidden_), floats(capacity_, hidden_), floats(capacity_, 2 * inner_),
                       floats(capacity_, inner_)});
  }
}

void TrainingGraph::product(const Sizes& s, const float* x, const float* w, float* y, bool accumulate) {
  gemm(pool_, {s.rows, s.outputs, s.inputs}, {x, s.inputs, 1}, {w, 1, s.inputs}, {y, s.outputs, accumulate},
       gemm_scratch_);
}

void TrainingGraph::product_dx(const Sizes& s, const float* dy, const float* w, float* dx) {
  gemm(pool_, {s.rows, s.inputs, s.outputs}, {dy, s.outputs, 1}, {w, s.inputs, 1}, {dx, s.inputs, false},
       gemm_scratch_);
}

void TrainingGraph::product_dw(const Sizes& s, const float* dy, const float* x, float* dw) {
  gemm(pool_, {s.outputs, s.inputs, s.rows}, {dy, 1, s.outputs}, {x, s.inputs, 1}, {dw, s.inputs, true},
       gemm_scratch_);
}

TrainingGraph::Sizes TrainingGraph::sizes_of(const LoraProducts::Place& at) const {
  switch (at.group) {
    case LinearGroup::kQkv:
      return {at.rows, hidden_, qkv_size_};
    case LinearGroup::kO:
      return {at.rows, q_size_, hidden_};
    case LinearGroup::kGateUp:
      return {at.rows, hidden_, 2 * inner_};
    case LinearGroup::kDown:
      break;
  }
  return {at.rows, inner_, hidden_};
}

void TrainingGraph::linear(const LoraProducts::Place& at, const LayerPointers& w, const float* x, float* y) {
  const Sizes sizes = sizes_of(at);
  const auto group = static_cast<std::size_t>(at.group);
  product(sizes, x, w.matrices[group], y, at.group == LinearGroup::kO || at.group == LinearGroup::kDown);
  const float* bias = w.biases[group];
  if (bias == nullptr) return;
  pool_.parallel_for(sizes.rows, [&](std::int64_t r, int) {
    for (std::int64_t i = 0; i < sizes.outputs; ++i) y[r * sizes.outputs + i] += bias[i];
  });
}

AttentionShape TrainingGraph::attention_shape() const {
  return {config_.num_attention_heads, config_.num_key_value_heads, config_.head_dim,
          1 / std::sqrt(static_cast<float>(config_.head_dim))};
}

CausalInput TrainingGraph::causal_input(const Layer& kept) const {
  const float* q = kept.qkv.data();
  return {q, q + q_size_, q + q_size_ + kv_size_, qkv_size_, qkv_size_};
}

void TrainingGraph::norm(const float* x, const float* weight, float* y, std::int64_t rows) {
  pool_.parallel_for(rows, [&](std::int64_t r, int) {
    rms_norm(x + r * hidden_, weight, hidden_, config_.norm_eps, y + r * hidden_);
  });
}

// Rotates queries and keys of all rows to their positions, or their gradients back.
void TrainingGraph::turn(float* qkv, const TrainingBatch& batch, bool back) {
  const std::int64_t half = config_.head_dim / 2,
                     heads = config_.num_attention_heads + config_.num_key_value_heads;
  const auto rotate = back ? rope_backward : rope;
  pool_.parallel_for(batch.rows(), [&](std::int64_t r, int) {
    const std::int64_t p = positions_[static_cast<std::size_t>(r)];
    rotate(qkv + r * qkv_size_, heads, config_.head_dim, cosines_.data() + p * half, sines_.data() + p * half,
           0);
  });
}

void TrainingGraph::embed(const float* weights, const TrainingBatch& batch) {
  const float* table = trains_all() ? weights + layout_->embed_tokens() : nullptr;
  float* x = layers_.front().x.data();
  positions_.resize(batch.tokens.size());
  for (const RowSpan& s : batch.sequences) {
    for (std::int64_t p = 0; p < s.count; ++p) {
      positions_[static_cast<std::size_t>(s.first + p)] = static_cast<std::int32_t>(p);
    }
  }
  for (std::int64_t r = 0; r < batch.rows(); ++r) {
    const std::int32_t token = batch.tokens[static_cast<std::size_t>(r)];
    REFOCUS_CHECK(token >= 0 && token < config_.vocab_size);
    if (table != nullptr) {
      std::copy_n(table + token * hidden_, hidden_, x + r * hidden_);
    } else {
      base_->embedding(token, x + r * hidden_);
    }
  }
}

void TrainingGraph::forward_layer(const float* weights, const TrainingBatch& batch, std::int64_t layer,
                                  Layer& kept, float* out) {
  const LayerPointers w = layer_weights(weights, layer);
  const std::int64_t rows = batch.rows();
  norm(kept.x.data(), w.input_layernorm, kept.normed1.data(), rows);
  linear({layer, LinearGroup::kQkv, rows}, w, kept.normed1.data(), kept.qkv.data());
  turn(kept.qkv.data(), batch, false);
  causal_attention(pool_, attention_shape(), batch.sequences, causal_input(kept),
                   {kept.attended.data(), kept.log_sum_exp.data(), q_size_}, causal_scratch_);
  std::copy_n(kept.x.data(), rows * hidden_, kept.middle.data());
  linear({layer, LinearGroup::kO, rows}, w, kept.attended.data(), kept.middle.data());

  norm(kept.middle.data(), w.post_attention_layernorm, kept.normed2.data(), rows);
  linear({layer, LinearGroup::kGateUp, rows}, w, kept.normed2.data(), kept.gate_up.data());
  pool_.parallel_for(rows, [&](std::int64_t r, int) {
    const float* gate = kept.gate_up.data() + r * 2 * inner_;
    float* inner = kept.inner.data() + r * inner_;
    std::copy_n(gate, inner_, inner);
    swiglu(inner, gate + inner_, inner_);
  });
  std::copy_n(kept.middle.data(), rows * hidden_, out);
  linear({layer, LinearGroup::kDown, rows}, w, kept.inner.data(), out);
}

double TrainingGraph::loss(const float* weights, const TrainingBatch& batch) {
  grow(batch.rows(), 1);
  embed(weights, batch);
  for (std::int64_t l = 0; l < config_.num_hidden_layers; ++l) {
    forward_layer(weights, batch, l, layers_.front(), layers_.front().x.data());
  }
  return head(weights, batch, layers_.front().x.data(), 0, nullptr);
}

}  // namespace refocus
