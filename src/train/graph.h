// A model in training: forward with everything that backward needs kept, then backward. It computes what
// model/transformer.h does, of the features that unlike_llama (architecture/model_config.h) has nothing
// against.
//
// Either all weights are trained, or adapters beside frozen ones (train/lora.h); then no gradient of a frozen
// weight is computed, and none of an activation that no adapter lies below.
//
// The loss is the mean of -log p(target) over all rows that have a target. Every sum runs in one fixed order,
// so losses and gradients are bitwise the same with any number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "architecture/model_config.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/causal_attention.h"
#include "kernels/gemm.h"
#include "train/frozen_weights.h"
#include "train/lora.h"
#include "train/lora_products.h"
#include "train/parameters.h"

namespace refocus {

// Whole sequences one after the other; none sees another.
struct TrainingBatch {
  std::vector<std::int32_t> tokens;   // [rows]
  std::vector<std::int32_t> targets;  // [rows]: the token to predict at this row, or -1 for none
  std::vector<RowSpan> sequences;

  std::int64_t rows() const { return static_cast<std::int64_t>(tokens.size()); }
  std::int64_t counted() const;  // rows with a target
  // Adds a sequence; `counts[i]`: whether predicting tokens[i + 1] counts.
  void add(std::span<const std::int32_t> sequence, std::span<const std::uint8_t> counts);
};

class TrainingGraph {
 public:
  // Sequences may have up to `context` tokens. Layouts and base must outlive the graph.
  TrainingGraph(const ModelConfig& config, const ParameterLayout& layout, ThreadPool& pool,
                std::int64_t context);
  // Trains adapters beside `base`: `weights` and `gradients` below are the adapters', in the places of
  // `lora`.
  TrainingGraph(const ModelConfig& config, FrozenWeights& base, const LoraLayout& lora, ThreadPool& pool,
                std::int64_t context);

  // The sum of the counted rows' losses.
  double loss(const float* weights, const TrainingBatch& batch);
  // The same, and adds the gradient of `scale` times that sum to `gradients`, [layout.size()].
  double loss_and_gradients(const float* weights, const TrainingBatch& batch, float scale, float* gradients);

 private:
  // What is kept of a layer: all [rows, ...].
  struct Layer {
    AlignedBuffer<float> x, normed1, qkv, attended, log_sum_exp, middle, normed2, gate_up, inner;
    AlignedBuffer<float> heads;                   // queries and keys before their norms, where they have some
    AlignedBuffer<float> attention_out, mlp_out;  // what branches give, where it is not added as it is
  };
  // Cosines and sines of positions, [context, head_dim / 2].
  struct Angles {
    AlignedBuffer<float> cosines, sines;
  };

  TrainingGraph(const ModelConfig& config, ThreadPool& pool, std::int64_t context,
                std::span<const float> rope_factors);
  Angles angles_of(const RopeConfig& rope, std::int64_t context, std::span<const float> factors) const;
  bool trains_all() const { return base_ == nullptr; }
  // Whether branches are added to x as they are.
  bool adds_directly() const {
    return config_.placement == Placement::kPre && config_.residual_multiplier == 1;
  }
  // With adapters added to copies; valid until the next call.
  LayerPointers layer_weights(const float* weights, std::int64_t layer);
  LayerPointers folded_weights(const float* weights, std::int64_t layer);
  // A norm's weights as they are used, of those that are trained; a copy goes to `raised` where they differ.
  const float* used_norm(const float* trained, std::int64_t size, float* raised) const;
  // Where the gradient of a layer's norm is summed; null where it is not trained or not there.
  float* norm_gradient(float* gradients, std::int64_t layer, NormPlace place) const;
  void grow(std::int64_t rows, std::int64_t layers);
  void embed(const float* weights, const TrainingBatch& batch);
  void embedding_gradient(const TrainingBatch& batch, float* d_table);

  void forward_layer(const float* weights, const TrainingBatch& batch, std::int64_t layer, Layer& kept,
                     float* out);
  void norm(const float* x, const float* weight, float* y, std::int64_t rows);
  void norm_heads(const LayerPointers& w, Layer& kept, std::int64_t rows);
  void turn(float* qkv, const TrainingBatch& batch, std::int64_t layer, bool back);
  void activate(Layer& kept, std::int64_t rows);
  // A group's products, y = x W^T + bias, or y += that.
  void linear(const LoraProducts::Place& at, const LayerPointers& w, const float* x, float* y,
              bool accumulate);
  // out = x + the branch that ends with this product of `in`; kept as `branch` where backward needs it.
  void add_branch(const LoraProducts::Place& at, const LayerPointers& w, const float* in, const float* x,
                  AlignedBuffer<float>& branch, float* out);
  AttentionShape attention_shape(std::int64_t layer) const;
  CausalInput causal_input(const Layer& kept) const;

  void backward_layer(const float* weights, const TrainingBatch& batch, std::int64_t layer, float* gradients);
  void mlp_backward(const LayerPointers& w, const float* weights, std::int64_t rows, std::int64_t layer,
                    float* gradients);
  void attention_backward(const LayerPointers& w, const float* weights, const TrainingBatch& batch,
                          std::int64_t layer, float* gradients);
  // dL/d of what a branch's last product gave, from dx_; valid until the next call.
  const float* branch_backward(const AlignedBuffer<float>& branch, const float* weight, std::int64_t rows,
                               float* d_weight);
  struct NormGradient {
    const float *x, *weight, *dy;  // [rows, hidden], [hidden], [rows, hidden]
    float *dx, *d_weight;          // dx may be dy where it is overwritten; d_weight is added to, or null
    bool accumulate;               // to dx
  };
  void norm_backward(const NormGradient& g, std::span<const std::int32_t> rows, std::int64_t count);
  void norm_heads_backward(const LayerPointers& w, const Layer& kept, std::int64_t rows, std::int64_t layer,
                           float* gradients);
  // Overwrites dx where there is one, adds to g.gradients.
  void linear_backward(const LoraProducts::Place& at, const LayerPointers& w, const float* weights,
                       const LoraProducts::Gradient& g, float* dx);
  // total [size] += what `add` adds up row by row; total may be null.
  void sum_over_rows(std::int64_t rows, std::int64_t size, float* total,
                     const std::function<void(std::int64_t row, float* sums)>& add);

  double head(const float* weights, const TrainingBatch& batch, const float* x, float scale,
              float* gradients);
  double row_loss(float* logits, std::int32_t target, float scale, bool gradient, int thread);

  // y [rows, outputs] (+)= x W^T;  dx [rows, inputs] = dy W;  dW += dy^T x.
  struct Sizes {
    std::int64_t rows, inputs, outputs;
  };
  Sizes sizes_of(const LoraProducts::Place& at) const;
  void product(const Sizes& s, const float* x, const float* w, float* y, bool accumulate = false);
  void product_dx(const Sizes& s, const float* dy, const float* w, float* dx);
  void product_dw(const Sizes& s, const float* dy, const float* x, float* dw);

  ModelConfig config_;
  const ParameterLayout* layout_ = nullptr;  // where all weights are trained
  FrozenWeights* base_ = nullptr;            // else
  std::optional<LoraProducts> adapters_;
  AlignedBuffer<float> folded_;  // the matrices of a layer that have adapters, with them
  AlignedBuffer<float> raised_;  // a layer's norms and the last one, as they are used
  const LoraLayout* lora_ = nullptr;
  ThreadPool& pool_;
  std::int64_t hidden_, inner_, q_size_, kv_size_, qkv_size_;
  Angles angles_, local_angles_;
  std::int64_t capacity_ = 0;
  std::vector<Layer> layers_;
  AlignedBuffer<float> x_;                         // [rows, hidden]: the last layer's output
  AlignedBuffer<float> dx_, d_normed_, d_branch_;  // [rows, hidden]
  AlignedBuffer<float> d_inner_;                   // [rows, inner]
  AlignedBuffer<float> d_attended_;                // [rows, q_size]
  AlignedBuffer<float> d_qkv_;                     // [rows, qkv_size]
  AlignedBuffer<float> logits_;                    // [rows of a chunk, vocab]
  AlignedBuffer<float> capped_;                    // [threads, vocab]: a row of logits after their cap
  AlignedBuffer<float> partial_;                   // [blocks of rows, ...]: sums of gradients of vectors
  std::vector<double> losses_;                     // [counted rows]
  std::vector<std::int32_t> counted_;              // rows with a target
  std::vector<std::int32_t> positions_;            // [rows], in their sequences
  GemmScratch gemm_scratch_;
  CausalScratch causal_scratch_;
};

}  // namespace refocus
