// The LLaMA model in training: forward with everything that backward needs kept, then backward.
//
// Either all weights are trained, or adapters beside frozen ones (train/lora.h); then no gradient of a frozen
// weight is computed, and none of an activation that no adapter lies below.
//
// The loss is the mean of -log p(target) over all rows that have a target. Every sum runs in one fixed order,
// so losses and gradients are bitwise the same with any number of threads.
#pragma once

#include <cstdint>
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
  };

  TrainingGraph(const ModelConfig& config, ThreadPool& pool, std::int64_t context,
                std::span<const float> rope_factors);
  bool trains_all() const { return base_ == nullptr; }
  // With adapters added to copies; valid until the next call.
  LayerPointers layer_weights(const float* weights, std::int64_t layer);
  LayerPointers folded_weights(const float* weights, std::int64_t layer);
  void grow(std::int64_t rows, std::int64_t layers);
  void embed(const float* weights, const TrainingBatch& batch);
  void forward_layer(const float* weights, const TrainingBatch& batch, std::int64_t layer, Layer& kept,
                     float* out);
  void backward_layer(const float* weights, const TrainingBatch& batch, std::int64_t layer, float* gradients);
  double head(const float* weights, const TrainingBatch& batch, const float* x, float scale,
              float* gradients);
  void embedding_gradient(const TrainingBatch& batch, float* d_table);
  void norm(const float* x, const float* weight, float* y, std::int64_t rows);
  void norm_backward(const float* x, const float* weight, const float* dy, std::span<const std::int32_t> rows,
                     std::int64_t count, float* d_weight);
  void turn(float* qkv, const TrainingBatch& batch, bool back);
  // A group's products, y (+)= x W^T + bias, for o_proj and down_proj `+=`.
  void linear(const LoraProducts::Place& at, const LayerPointers& w, const float* x, float* y);
  // Overwrites dx where there is one, adds to g.gradients.
  void linear_backward(const LoraProducts::Place& at, const LayerPointers& w, const float* weights,
                       const LoraProducts::Gradient& g, float* dx);
  AttentionShape attention_shape() const;
  CausalInput causal_input(const Layer& kept) const;

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
  const LoraLayout* lora_ = nullptr;
  ThreadPool& pool_;
  std::int64_t hidden_, inner_, q_size_, kv_size_, qkv_size_;
  AlignedBuffer<float> cosines_, sines_;  // [context, head_dim / 2]
  std::int64_t capacity_ = 0;
  std::vector<Layer> layers_;
  AlignedBuffer<float> x_;               // [rows, hidden]: the last layer's output
  AlignedBuffer<float> dx_, d_normed_;   // [rows, hidden]
  AlignedBuffer<float> d_inner_;         // [rows, inner]
  AlignedBuffer<float> d_attended_;      // [rows, q_size]
  AlignedBuffer<float> d_qkv_;           // [rows, qkv_size]
  AlignedBuffer<float> logits_;          // [rows of a chunk, vocab]
  AlignedBuffer<float> partial_;         // [blocks of rows, hidden]: sums of norm gradients
  std::vector<double> losses_;           // [counted rows]
  std::vector<std::int32_t> counted_;    // rows with a target
  std::vector<std::int32_t> positions_;  // [rows], in their sequences
  GemmScratch gemm_scratch_;
  CausalScratch causal_scratch_;
};

}  // namespace refocus
