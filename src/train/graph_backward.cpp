// The loss and the backward pass of train/graph.h.
#include <algorithm>

#include "kernels/cross_entropy.h"
#include "kernels/rms_norm.h"
#include "kernels/swiglu.h"
#include "train/graph.h"

namespace refocus {

namespace {

constexpr std::int64_t kNormRows = 64;  // whose weight gradients are summed before they join the rest

// Rows whose logits are computed together: at most 16 MiB of them, a number that the vocabulary fixes.
std::int64_t head_rows(std::int64_t vocab) {
  return std::clamp<std::int64_t>((std::int64_t{1} << 22) / vocab, 64, 1024);
}

void reserve(AlignedBuffer<float>& buffer, std::int64_t size) {
  if (buffer.size() < static_cast<std::size_t>(size))
    buffer = AlignedBuffer<float>(static_cast<std::size_t>(size));
}

}  // namespace

// Adds dL/dx to dx_, and dL/dweight to d_weight where there is one. Row r of dy belongs to row rows[r] of x,
// or to row r where `rows` is empty.
void TrainingGraph::norm_backward(const float* x, const float* weight, const float* dy,
                                  std::span<const std::int32_t> rows, std::int64_t count, float* d_weight) {
  const std::int64_t blocks = (count + kNormRows - 1) / kNormRows;
  reserve(partial_, blocks * hidden_);
  pool_.parallel_for(blocks, [&](std::int64_t block, int) {
    float* sums = partial_.data() + block * hidden_;
    std::fill_n(sums, hidden_, 0.0f);
    for (std::int64_t r = block * kNormRows; r < std::min(count, (block + 1) * kNormRows); ++r) {
      const std::int64_t at = rows.empty() ? r : rows[static_cast<std::size_t>(r)];
      rms_norm_backward(
          {x + at * hidden_, weight, dy + r * hidden_, dx_.data() + at * hidden_, sums, /*accumulate=*/true},
          hidden_, config_.norm_eps);
    }
  });
  for (std::int64_t block = 0; d_weight != nullptr && block < blocks; ++block) {
    for (std::int64_t i = 0; i < hidden_; ++i)
      d_weight[i] += partial_[static_cast<std::size_t>(block * hidden_ + i)];
  }
}

// Final norm, output matrix and cross-entropy of the counted rows, chunk by chunk; with gradients, dx_ is
// dL/dx afterwards.
double TrainingGraph::head(const float* weights, const TrainingBatch& batch, const float* x, float scale,
                           float* gradients) {
  counted_.clear();
  for (std::int64_t r = 0; r < batch.rows(); ++r) {
    if (batch.targets[static_cast<std::size_t>(r)] >= 0) counted_.push_back(static_cast<std::int32_t>(r));
  }
  const auto count = static_cast<std::int64_t>(counted_.size());
  const std::int64_t vocab = config_.vocab_size,
                     chunk = std::min(head_rows(vocab), std::max<std::int64_t>(count, 1));
  if (gradients != nullptr) std::fill_n(dx_.data(), batch.rows() * hidden_, 0.0f);
  reserve(logits_, chunk * vocab);
  losses_.assign(static_cast<std::size_t>(count), 0);
  const bool all = trains_all();
  const float* norm_weight = all ? weights + layout_->norm() : base_->norm();
  const float* matrix = all ? weights + layout_->lm_head() : base_->lm_head();
  float* normed = d_normed_.data();  // of a chunk's rows, and then dL/d of it
  for (std::int64_t first = 0; first < count; first += chunk) {
    const std::int64_t rows = std::min(chunk, count - first);
    pool_.parallel_for(rows, [&](std::int64_t r, int) {
      const std::int64_t row = counted_[static_cast<std::size_t>(first + r)];
      rms_norm(x + row * hidden_, norm_weight, hidden_, config_.norm_eps, normed + r * hidden_);
    });
    const Sizes sizes{rows, hidden_, vocab};
    product(sizes, normed, matrix, logits_.data());
    pool_.parallel_for(rows, [&](std::int64_t r, int) {
      const std::int32_t target =
          batch.targets[static_cast<std::size_t>(counted_[static_cast<std::size_t>(first + r)])];
      float* logits = logits_.data() + r * vocab;
      losses_[static_cast<std::size_t>(first + r)] =
          cross_entropy(logits, vocab, target, scale, gradients != nullptr ? logits : nullptr);
    });
    if (gradients == nullptr) continue;
    if (all) product_dw(sizes, logits_.data(), normed, gradients + layout_->lm_head());
    product_dx(sizes, logits_.data(), matrix, normed);
    norm_backward(x, norm_weight, normed, std::span(counted_).subspan(static_cast<std::size_t>(first)), rows,
                  all ? gradients + layout_->norm() : nullptr);
  }
  double sum = 0;
  for (const double loss : losses_) sum += loss;
  return sum;
}

void TrainingGraph::linear_backward(const LoraProducts::Place& at, const LayerPointers& w,
                                    const float* weights, const LoraProducts::Gradient& g, float* dx) {
  const Sizes sizes = sizes_of(at);
  const auto group = static_cast<std::size_t>(at.group);
  if (trains_all()) {
    const LayerOffsets& o = layout_->layers()[static_cast<std::size_t>(at.layer)];
    const std::int64_t offsets[kLinearGroups] = {o.qkv, o.o_proj, o.gate_up, o.down_proj};
    product_dw(sizes, g.dy, g.x, g.gradients + offsets[group]);
  }
  if (dx != nullptr) product_dx(sizes, g.dy, w.matrices[group], dx);
  if (!trains_all()) adapters_->backward(at, weights, g);
}

void TrainingGraph::backward_layer(const float* weights, const TrainingBatch& batch, std::int64_t layer,
                                   float* gradients) {
  const LayerPointers w = layer_weights(weights, layer);
  const auto l = static_cast<std::size_t>(layer);
  Layer& kept = layers_[l];
  const std::int64_t rows = batch.rows();
  float* const d_norm1 = trains_all() ? gradients + layout_->layers()[l].input_layernorm : nullptr;
  float* const d_norm2 = trains_all() ? gradients + layout_->layers()[l].post_attention_layernorm : nullptr;
  // Below the first layer's adapters nothing is trained.
  const bool bottom = !trains_all() && layer == 0;
  const bool through_attention = !bottom || !lora_->group(0, LinearGroup::kQkv).members.empty();
  linear_backward({layer, LinearGroup::kDown, rows}, w, weights, {kept.inner.data(), dx_.data(), gradients},
                  d_inner_.data());
  pool_.parallel_for(rows, [&](std::int64_t r, int) {
    float* gate = kept.gate_up.data() + r * 2 * inner_;
    swiglu_backward(gate, gate + inner_, d_inner_.data() + r * inner_, inner_);
  });
  linear_backward({layer, LinearGroup::kGateUp, rows}, w, weights,
                  {kept.normed2.data(), kept.gate_up.data(), gradients}, d_normed_.data());
  norm_backward(kept.middle.data(), w.post_attention_layernorm, d_normed_.data(), {}, rows, d_norm2);

  linear_backward({layer, LinearGroup::kO, rows}, w, weights, {kept.attended.data(), dx_.data(), gradients},
                  through_attention ? d_attended_.data() : nullptr);
  if (!through_attention) return;
  float* dq = d_qkv_.data();
  causal_attention_backward(pool_, attention_shape(), batch.sequences, causal_input(kept),
                            {kept.attended.data(), kept.log_sum_exp.data(), q_size_},
                            {d_attended_.data(), dq, dq + q_size_, dq + q_size_ + kv_size_}, causal_scratch_);
  turn(dq, batch, true);
  linear_backward({layer, LinearGroup::kQkv, rows}, w, weights, {kept.normed1.data(), dq, gradients},
                  bottom ? nullptr : d_normed_.data());
  if (bottom) return;
  norm_backward(kept.x.data(), w.input_layernorm, d_normed_.data(), {}, rows, d_norm1);
}

// Each thread sums columns of its own, all rows in order.
void TrainingGraph::embedding_gradient(const TrainingBatch& batch, float* d_table) {
  constexpr std::int64_t kColumns = 32;
  pool_.parallel_for((hidden_ + kColumns - 1) / kColumns, [&](std::int64_t piece, int) {
    const std::int64_t begin = piece * kColumns, end = std::min(hidden_, begin + kColumns);
    for (std::int64_t r = 0; r < batch.rows(); ++r) {
      const float* dx = dx_.data() + r * hidden_;
      float* to = d_table + batch.tokens[static_cast<std::size_t>(r)] * hidden_;
      for (std::int64_t i = begin; i < end; ++i) to[i] += dx[i];
    }
  });
}

double TrainingGraph::loss_and_gradients(const float* weights, const TrainingBatch& batch, float scale,
                                         float* gradients) {
  const std::int64_t layers = config_.num_hidden_layers;
  grow(batch.rows(), layers);
  reserve(d_inner_, capacity_ * inner_);
  reserve(d_attended_, capacity_ * q_size_);
  reserve(d_qkv_, capacity_ * qkv_size_);
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
