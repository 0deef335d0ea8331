// Construction, weights, embeddings, products and the whole pass; graph_forward.cpp and graph_backward.cpp
// have a layer, graph_head.cpp the loss.
#include "train/graph.h"

#include <algorithm>

#include "base/error.h"
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
      angles_(angles_of(config.rope, context, rope_factors)) {
  REFOCUS_CHECK(unlike_llama(config_).empty());
  if (config_.local_rope) local_angles_ = angles_of(*config_.local_rope, context, {});
}

TrainingGraph::Angles TrainingGraph::angles_of(const RopeConfig& rope, std::int64_t context,
                                               std::span<const float> factors) const {
  const std::int64_t half = config_.head_dim / 2;
  Angles out{floats(context, half), floats(context, half)};
  RopeTable table(config_, rope, factors);
  REFOCUS_CHECK(!table.depends_on_length(context));
  for (std::int64_t p = 0; p < context; ++p) {
    table.fill(p, context, out.cosines.data() + p * half, out.sines.data() + p * half);
  }
  return out;
}

TrainingGraph::TrainingGraph(const ModelConfig& config, const ParameterLayout& layout, ThreadPool& pool,
                             std::int64_t context)
    : TrainingGraph(config, pool, context, {}) {
  layout_ = &layout;
  raised_ = floats(static_cast<std::int64_t>(kNormPlaces) + 1, std::max(hidden_, config.head_dim));
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

const float* TrainingGraph::used_norm(const float* trained, std::int64_t size, float* raised) const {
  if (!config_.norm_plus_one) return trained;
  for (std::int64_t i = 0; i < size; ++i) raised[i] = trained[i] + 1;
  return raised;
}

LayerPointers TrainingGraph::layer_weights(const float* weights, std::int64_t layer) {
  if (!trains_all()) return folded_weights(weights, layer);
  const LayerOffsets& at = layout_->layers()[static_cast<std::size_t>(layer)];
  LayerPointers w;
  for (std::size_t i = 0; i < kLinearGroups; ++i) {
    w.matrices[i] = weights + at.matrices[i];
    if (at.biases[i] != LayerOffsets::kNone) w.biases[i] = weights + at.biases[i];
  }
  const std::int64_t widest = std::max(hidden_, config_.head_dim);
  for (std::size_t i = 0; i < kNormPlaces; ++i) {
    if (at.norms[i] == LayerOffsets::kNone) continue;
    const auto place = static_cast<NormPlace>(i);
    const bool of_heads = place == NormPlace::kQuery || place == NormPlace::kKey;
    w.norms[i] = used_norm(weights + at.norms[i], of_heads ? config_.head_dim : hidden_,
                           raised_.data() + static_cast<std::int64_t>(i) * widest);
  }
  return w;
}

float* TrainingGraph::norm_gradient(float* gradients, std::int64_t layer, NormPlace place) const {
  if (!trains_all()) return nullptr;
  const std::int64_t at =
      layout_->layers()[static_cast<std::size_t>(layer)].norms[static_cast<std::size_t>(place)];
  return at == LayerOffsets::kNone ? nullptr : gradients + at;
}

void TrainingGraph::grow(std::int64_t rows, std::int64_t layers) {
  if (rows > capacity_) {
    layers_.clear();
    capacity_ = rows;
    x_ = floats(rows, hidden_);
    dx_ = floats(rows, hidden_);
    d_normed_ = floats(rows, hidden_);
    if (!adds_directly()) d_branch_ = floats(rows, hidden_);
  }
  const std::int64_t branch = adds_directly() ? 0 : hidden_,
                     heads = config_.qk_norm == QkNorm::kNone ? 0 : q_size_ + kv_size_;
  while (static_cast<std::int64_t>(layers_.size()) < layers) {
    layers_.push_back({floats(capacity_, hidden_), floats(capacity_, hidden_), floats(capacity_, qkv_size_),
                       floats(capacity_, q_size_), floats(capacity_, config_.num_attention_heads),
                       floats(capacity_, hidden_), floats(capacity_, hidden_), floats(capacity_, 2 * inner_),
                       floats(capacity_, inner_), floats(capacity_, heads), floats(capacity_, branch),
                       floats(capacity_, branch)});
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
    if (config_.embedding_multiplier == 1) continue;
    for (std::int64_t i = 0; i < hidden_; ++i) x[r * hidden_ + i] *= config_.embedding_multiplier;
  }
}

// Each thread sums columns of its own, all rows in order.
void TrainingGraph::embedding_gradient(const TrainingBatch& batch, float* d_table) {
  constexpr std::int64_t kColumns = 32;
  const float times = config_.embedding_multiplier;
  pool_.parallel_for((hidden_ + kColumns - 1) / kColumns, [&](std::int64_t piece, int) {
    const std::int64_t begin = piece * kColumns, end = std::min(hidden_, begin + kColumns);
    for (std::int64_t r = 0; r < batch.rows(); ++r) {
      const float* dx = dx_.data() + r * hidden_;
      float* to = d_table + batch.tokens[static_cast<std::size_t>(r)] * hidden_;
      for (std::int64_t i = begin; i < end; ++i) to[i] += times * dx[i];
    }
  });
}

double TrainingGraph::loss(const float* weights, const TrainingBatch& batch) {
  grow(batch.rows(), 1);
  embed(weights, batch);
  for (std::int64_t l = 0; l < config_.num_hidden_layers; ++l) {
    forward_layer(weights, batch, l, layers_.front(), layers_.front().x.data());
  }
  return head(weights, batch, layers_.front().x.data(), 0, nullptr);
}

double TrainingGraph::loss_and_gradients(const float* weights, const TrainingBatch& batch, float scale,
                                         float* gradients) {
  const std::int64_t layers = config_.num_hidden_layers;
  grow(batch.rows(), layers);
  for (const auto& [buffer, width] :
       {std::pair{&d_inner_, inner_}, {&d_attended_, q_size_}, {&d_qkv_, qkv_size_}}) {
    if (buffer->size() < static_cast<std::size_t>(capacity_ * width)) *buffer = floats(capacity_, width);
  }
  embed(weights, batch);
  for (std::int64_t l = 0; l < layers; ++l) {
    const auto next = static_cast<std::size_t>(l + 1);
    forward_layer(weights, batch, l, layers_[static_cast<std::size_t>(l)],
                  l + 1 < layers ? layers_[next].x.data() : x_.data());
  }
  const double sum = head(weights, batch, x_.data(), scale, gradients);
  for (std::int64_t l = layers; l-- > 0;) backward_layer(weights, batch, l, gradients);
  if (trains_all()) embedding_gradient(batch, gradients + layout_->embed_tokens());
  return sum;
}

}  // namespace refocus
