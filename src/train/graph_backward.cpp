// The backward pass of a layer; see train/graph.h.
#include <algorithm>

#include "kernels/activation.h"
#include "kernels/rms_norm.h"
#include "kernels/swiglu.h"
#include "train/graph.h"

namespace refocus {

namespace {

constexpr std::int64_t kSummedRows = 64;  // whose gradients of a vector are summed before they join the rest

}  // namespace

void TrainingGraph::sum_over_rows(std::int64_t rows, std::int64_t size, float* total,
                                  const std::function<void(std::int64_t row, float* sums)>& add) {
  const std::int64_t blocks = (rows + kSummedRows - 1) / kSummedRows;
  const auto wanted = static_cast<std::size_t>(blocks * size);
  if (partial_.size() < wanted) partial_ = AlignedBuffer<float>(wanted);
  pool_.parallel_for(blocks, [&](std::int64_t block, int) {
    float* sums = partial_.data() + block * size;
    std::fill_n(sums, size, 0.0f);
    for (std::int64_t r = block * kSummedRows; r < std::min(rows, (block + 1) * kSummedRows); ++r)
      add(r, sums);
  });
  for (std::int64_t block = 0; total != nullptr && block < blocks; ++block) {
    for (std::int64_t i = 0; i < size; ++i) total[i] += partial_[static_cast<std::size_t>(block * size + i)];
  }
}

// Row r of dy belongs to row rows[r] of x and dx, or to row r where `rows` is empty.
void TrainingGraph::norm_backward(const NormGradient& g, std::span<const std::int32_t> rows,
                                  std::int64_t count) {
  sum_over_rows(count, hidden_, g.d_weight, [&](std::int64_t r, float* sums) {
    const std::int64_t at = rows.empty() ? r : rows[static_cast<std::size_t>(r)];
    rms_norm_backward(
        {g.x + at * hidden_, g.weight, g.dy + r * hidden_, g.dx + at * hidden_, sums, g.accumulate}, hidden_,
        config_.norm_eps);
  });
}

// In place, in d_qkv_.
void TrainingGraph::norm_heads_backward(const LayerPointers& w, const Layer& kept, std::int64_t rows,
                                        std::int64_t layer, float* gradients) {
  if (config_.qk_norm == QkNorm::kNone) return;
  const std::int64_t dim = config_.head_dim, size = q_size_ + kv_size_;
  const auto heads = [&](NormPlace place, std::int64_t begin, std::int64_t end) {
    sum_over_rows(rows, dim, norm_gradient(gradients, layer, place), [&](std::int64_t r, float* sums) {
      const float* x = kept.heads.data() + r * size;
      float* d = d_qkv_.data() + r * qkv_size_;
      for (std::int64_t i = begin; i < end; i += dim)
        rms_norm_backward({x + i, w.norm(place), d + i, d + i, sums}, dim, config_.norm_eps);
    });
  };
  heads(NormPlace::kQuery, 0, q_size_);
  heads(NormPlace::kKey, q_size_, size);
}

void TrainingGraph::linear_backward(const LoraProducts::Place& at, const LayerPointers& w,
                                    const float* weights, const LoraProducts::Gradient& g, float* dx) {
  const Sizes sizes = sizes_of(at);
  const auto group = static_cast<std::size_t>(at.group);
  if (trains_all()) {
    const LayerOffsets& o = layout_->layers()[static_cast<std::size_t>(at.layer)];
    product_dw(sizes, g.dy, g.x, g.gradients + o.matrices[group]);
    if (o.biases[group] != LayerOffsets::kNone) {
      sum_over_rows(sizes.rows, sizes.outputs, g.gradients + o.biases[group],
                    [&](std::int64_t r, float* sums) {
                      const float* dy = g.dy + r * sizes.outputs;
                      for (std::int64_t i = 0; i < sizes.outputs; ++i) sums[i] += dy[i];
                    });
    }
  }
  if (dx != nullptr) product_dx(sizes, g.dy, w.matrices[group], dx);
  if (!trains_all()) adapters_->backward(at, weights, g);
}

const float* TrainingGraph::branch_backward(const AlignedBuffer<float>& branch, const float* weight,
                                            std::int64_t rows, float* d_weight) {
  if (adds_directly()) return dx_.data();
  float* d = d_branch_.data();
  const float times = config_.residual_multiplier;
  pool_.parallel_for(rows, [&](std::int64_t r, int) {
    const float* dx = dx_.data() + r * hidden_;
    for (std::int64_t i = 0; i < hidden_; ++i) d[r * hidden_ + i] = times * dx[i];
  });
  if (weight != nullptr) norm_backward({branch.data(), weight, d, d, d_weight, false}, {}, rows);
  return d;
}

void TrainingGraph::mlp_backward(const LayerPointers& w, const float* weights, std::int64_t rows,
                                 std::int64_t layer, float* gradients) {
  Layer& kept = layers_[static_cast<std::size_t>(layer)];
  const float* d_out = branch_backward(kept.mlp_out, w.norm(NormPlace::kMlpOutput), rows,
                                       norm_gradient(gradients, layer, NormPlace::kMlpOutput));
  linear_backward({layer, LinearGroup::kDown, rows}, w, weights, {kept.inner.data(), d_out, gradients},
                  d_inner_.data());
  const auto activation_backward =
      config_.activation == Activation::kSilu ? swiglu_backward : gelu_tanh_backward;
  pool_.parallel_for(rows, [&](std::int64_t r, int) {
    float* gate = kept.gate_up.data() + r * 2 * inner_;
    activation_backward(gate, gate + inner_, d_inner_.data() + r * inner_, inner_);
  });
  linear_backward({layer, LinearGroup::kGateUp, rows}, w, weights,
                  {kept.normed2.data(), kept.gate_up.data(), gradients}, d_normed_.data());
  norm_backward({kept.middle.data(), w.norm(NormPlace::kMlp), d_normed_.data(), dx_.data(),
                 norm_gradient(gradients, layer, NormPlace::kMlp), true},
                {}, rows);
}

void TrainingGraph::attention_backward(const LayerPointers& w, const float* weights,
                                       const TrainingBatch& batch, std::int64_t layer, float* gradients) {
  Layer& kept = layers_[static_cast<std::size_t>(layer)];
  const std::int64_t rows = batch.rows();
  // Below the first layer's adapters nothing is trained.
  const bool bottom = !trains_all() && layer == 0;
  const bool through_attention = !bottom || !lora_->group(0, LinearGroup::kQkv).members.empty();
  const float* d_out = branch_backward(kept.attention_out, w.norm(NormPlace::kAttentionOutput), rows,
                                       norm_gradient(gradients, layer, NormPlace::kAttentionOutput));
  linear_backward({layer, LinearGroup::kO, rows}, w, weights, {kept.attended.data(), d_out, gradients},
                  through_attention ? d_attended_.data() : nullptr);
  if (!through_attention) return;
  float* dq = d_qkv_.data();
  causal_attention_backward(pool_, attention_shape(layer), batch.sequences, causal_input(kept),
                            {kept.attended.data(), kept.log_sum_exp.data(), q_size_},
                            {d_attended_.data(), dq, dq + q_size_, dq + q_size_ + kv_size_}, causal_scratch_);
  turn(dq, batch, layer, true);
  norm_heads_backward(w, kept, rows, layer, gradients);
  linear_backward({layer, LinearGroup::kQkv, rows}, w, weights, {kept.normed1.data(), dq, gradients},
                  bottom ? nullptr : d_normed_.data());
  if (bottom) return;
  norm_backward({kept.x.data(), w.norm(NormPlace::kAttention), d_normed_.data(), dx_.data(),
                 norm_gradient(gradients, layer, NormPlace::kAttention), true},
                {}, rows);
}

// dx_ goes from dL/d of the layer's output to that of its input.
void TrainingGraph::backward_layer(const float* weights, const TrainingBatch& batch, std::int64_t layer,
                                   float* gradients) {
  const LayerPointers w = layer_weights(weights, layer);
  mlp_backward(w, weights, batch.rows(), layer, gradients);
  attention_backward(w, weights, batch, layer, gradients);
}

}  // namespace refocus
