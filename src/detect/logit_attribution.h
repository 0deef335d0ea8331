// Direct logit attribution (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"): what
// each head's output, through the output projection and the last norm, adds to a difference of two logits.
//
// The residual stream x before the last norm is a sum: the embedding, each head's output through its part of
// the output projection, the projection's bias, each MLP. With the norm's scale (1 / rms(x), for LayerNorm
// 1 / sd(x)) frozen at what the run had, the norm is linear, and so
//
//   z(right) - mean of z(others) = sum of heads + MLPs + embedding + biases
//
// up to rounding. Where a norm stands behind attention (Gemma 2, OLMo 2), its scale is frozen too, at that
// of the heads' sum. z are logits before a final softcap, where the model has one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "detect/watched_run.h"
#include "model/linear_products.h"

namespace refocus {

// A difference of logits, taken apart.
struct Attribution {
  std::vector<double> heads;           // [layers, heads]
  std::vector<double> attention_bias;  // [layers]: of output projections, and of norms behind them
  std::vector<double> mlps;            // [layers]: of MLPs or experts, with their biases and norms
  double embedding = 0;                // positions included, where they are learned
  double bias = 0;                     // of the last norm and the output matrix
  double total = 0;                    // the whole difference, from the residual stream
};

class LogitAttribution {
 public:
  explicit LogitAttribution(Transformer& model);
  LogitAttribution(const LogitAttribution&) = delete;
  LogitAttribution& operator=(const LogitAttribution&) = delete;

  // Puts its hook on heads' outputs into hooks, [layers], which have none.
  void watch_with(std::span<AttentionHooks> hooks);
  const ResidualTap* tap() const { return &tap_; }

  // The next text's row that is kept, and the rows of the next call.
  void begin_text(std::int64_t position) { position_ = position; }
  void begin_call(std::int64_t first_position, std::int64_t rows);

  // Of the kept row, after it was computed: z(right) minus the mean of z(others), of which there is one at
  // least.
  Attribution attribute(std::int32_t right, std::span<const std::int32_t> others);

  // The same difference of logits that the model gave, [vocab_size]: the softcap undone.
  double difference_of(std::span<const float> logits, std::int32_t right,
                       std::span<const std::int32_t> others) const;

 private:
  struct Layer {
    LogitAttribution* owner;
    std::int64_t layer;
  };
  static void keep_output(void* context, const AttentionRow& at, std::span<float> out);
  static void keep_first(void* context, const float* x, std::int64_t stride);
  static void keep_layer(void* context, std::int64_t layer, const float* x, std::int64_t stride);
  void keep_residual(std::int64_t place, const float* x, std::int64_t stride);
  std::vector<double> unembedding(std::int32_t token) const;
  void attribute_layer(std::int64_t layer, const std::vector<double>& direction, Attribution& out);

  Transformer& model_;
  std::int64_t layers_, heads_, head_dim_, hidden_;
  LinearProducts products_;
  ResidualTap tap_;
  std::vector<Layer> contexts_;
  std::int64_t position_ = -1, first_ = 0, rows_ = 0;
  std::vector<float> outputs_;    // [layers, heads, head_dim]
  std::vector<float> residuals_;  // [1 + layers, hidden]: before the first layer, after each
  AlignedBuffer<float> alone_;    // [heads, padded(heads * head_dim)]: one head's output a row
  AlignedBuffer<float> added_;    // [heads, padded(hidden)]: what each adds
};

}  // namespace refocus
