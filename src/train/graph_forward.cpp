// The forward pass of a layer; see train/graph.h.
#include <algorithm>
#include <cmath>

#include "kernels/activation.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "train/graph.h"

namespace refocus {

void TrainingGraph::linear(const LoraProducts::Place& at, const LayerPointers& w, const float* x, float* y,
                           bool accumulate) {
  const Sizes sizes = sizes_of(at);
  const auto group = static_cast<std::size_t>(at.group);
  product(sizes, x, w.matrices[group], y, accumulate);
  const float* bias = w.biases[group];
  if (bias == nullptr) return;
  pool_.parallel_for(sizes.rows, [&](std::int64_t r, int) {
    for (std::int64_t i = 0; i < sizes.outputs; ++i) y[r * sizes.outputs + i] += bias[i];
  });
}

void TrainingGraph::add_branch(const LoraProducts::Place& at, const LayerPointers& w, const float* in,
                               const float* x, AlignedBuffer<float>& branch, float* out) {
  if (adds_directly()) {
    std::copy_n(x, at.rows * hidden_, out);
    return linear(at, w, in, out, true);
  }
  linear(at, w, in, branch.data(), false);
  const float* weight =
      w.norm(at.group == LinearGroup::kO ? NormPlace::kAttentionOutput : NormPlace::kMlpOutput);
  const float times = config_.residual_multiplier;
  pool_.parallel_for(at.rows, [&](std::int64_t r, int) {
    const float *from = branch.data() + r * hidden_, *before = x + r * hidden_;
    float* to = out + r * hidden_;
    if (weight != nullptr) {
      rms_norm(from, weight, hidden_, config_.norm_eps, to);
    } else {
      std::copy_n(from, hidden_, to);
    }
    for (std::int64_t i = 0; i < hidden_; ++i) to[i] = before[i] + times * to[i];
  });
}

AttentionShape TrainingGraph::attention_shape(std::int64_t layer) const {
  AttentionShape shape{config_.num_attention_heads, config_.num_key_value_heads, config_.head_dim};
  shape.scale = config_.attention_scale > 0 ? config_.attention_scale
                                            : 1 / std::sqrt(static_cast<float>(config_.head_dim));
  shape.softcap = config_.attention_softcap;
  shape.window = config_.layer(layer).window;
  return shape;
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

// Norms of each head of queries and keys; what they were is kept.
void TrainingGraph::norm_heads(const LayerPointers& w, Layer& kept, std::int64_t rows) {
  if (config_.qk_norm == QkNorm::kNone) return;
  const std::int64_t dim = config_.head_dim, size = q_size_ + kv_size_;
  pool_.parallel_for(rows, [&](std::int64_t r, int) {
    float *x = kept.heads.data() + r * size, *y = kept.qkv.data() + r * qkv_size_;
    std::copy_n(y, size, x);
    for (std::int64_t i = 0; i < size; i += dim) {
      rms_norm(x + i, w.norm(i < q_size_ ? NormPlace::kQuery : NormPlace::kKey), dim, config_.norm_eps,
               y + i);
    }
  });
}

// Rotates queries and keys of all rows to their positions, or their gradients back.
void TrainingGraph::turn(float* qkv, const TrainingBatch& batch, std::int64_t layer, bool back) {
  const LayerConfig::Rope kind = config_.layer(layer).rope;
  if (kind == LayerConfig::Rope::kNone) return;
  const Angles& angles = kind == LayerConfig::Rope::kLocal ? local_angles_ : angles_;
  const std::int64_t half = config_.head_dim / 2,
                     heads = config_.num_attention_heads + config_.num_key_value_heads;
  const auto rotate = back ? rope_backward : rope;
  pool_.parallel_for(batch.rows(), [&](std::int64_t r, int) {
    const std::int64_t p = positions_[static_cast<std::size_t>(r)];
    rotate(qkv + r * qkv_size_, heads, config_.head_dim, angles.cosines.data() + p * half,
           angles.sines.data() + p * half, 0);
  });
}

void TrainingGraph::activate(Layer& kept, std::int64_t rows) {
  const auto activation = config_.activation == Activation::kSilu ? swiglu : gelu_tanh;
  pool_.parallel_for(rows, [&](std::int64_t r, int) {
    const float* gate = kept.gate_up.data() + r * 2 * inner_;
    float* inner = kept.inner.data() + r * inner_;
    std::copy_n(gate, inner_, inner);
    activation(inner, gate + inner_, inner_);
  });
}

void TrainingGraph::forward_layer(const float* weights, const TrainingBatch& batch, std::int64_t layer,
                                  Layer& kept, float* out) {
  const LayerPointers w = layer_weights(weights, layer);
  const std::int64_t rows = batch.rows();
  norm(kept.x.data(), w.norm(NormPlace::kAttention), kept.normed1.data(), rows);
  linear({layer, LinearGroup::kQkv, rows}, w, kept.normed1.data(), kept.qkv.data(), false);
  norm_heads(w, kept, rows);
  turn(kept.qkv.data(), batch, layer, false);
  causal_attention(pool_, attention_shape(layer), batch.sequences, causal_input(kept),
                   {kept.attended.data(), kept.log_sum_exp.data(), q_size_}, causal_scratch_);
  add_branch({layer, LinearGroup::kO, rows}, w, kept.attended.data(), kept.x.data(), kept.attention_out,
             kept.middle.data());

  norm(kept.middle.data(), w.norm(NormPlace::kMlp), kept.normed2.data(), rows);
  linear({layer, LinearGroup::kGateUp, rows}, w, kept.normed2.data(), kept.gate_up.data(), false);
  activate(kept, rows);
  add_branch({layer, LinearGroup::kDown, rows}, w, kept.inner.data(), kept.middle.data(), kept.mlp_out, out);
}

}  // namespace refocus
