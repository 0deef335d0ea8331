// The LLaMA forward pass: one layer loop for prefill, decode, batches, capture and evaluation.
//
// Rows of several sequences go through together; each row's result is bitwise the same whatever is computed
// beside it, however its sequence is cut into calls, and with any number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/attention.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/linear_products.h"
#include "model/rope_table.h"
#include "model/weights.h"

namespace refocus {

enum class LogitRows { kNone, kLast, kAll };

// Sees the residual stream of one sequence's rows after each layer: x + r * stride is row r's, [hidden_size].
struct ResidualTap {
  void* context = nullptr;
  void (*after_layer)(void* context, std::int64_t layer, const float* x, std::int64_t stride) = nullptr;
};

// The next tokens of one sequence.
struct SequenceInput {
  KvSequence* cache = nullptr;           // holds the tokens before; room for these must be reserved
  std::span<const std::int32_t> tokens;  // ids within the vocabulary
  // The sequence's length to the end of the logical call that these tokens belong to (a whole prompt, or one
  // decoded token), at least cache->length() + tokens.size(). Matters to dynamic RoPE scaling only.
  std::int64_t rope_length = 0;
  const AttentionHooks* hooks = nullptr;  // [layers], or null for no intervention
  LogitRows logits = LogitRows::kLast;
  const ResidualTap* tap = nullptr;  // or null
};

class Transformer {
 public:
  // `weights` must outlive the transformer. At most `max_rows` rows may go into one forward call.
  Transformer(LlamaConfig config, std::shared_ptr<const WeightMap> weights, std::string name,
              ThreadPool& pool, std::int64_t max_rows, DType kv_type = DType::kF32,
              Activations activations = Activations::kInt8);

  // Adds a low-rank change to the weights, beside them: they stay as they are stored. Once, before the first
  // call of forward. InputError where the adapter is another model's.
  void attach(std::shared_ptr<const Adapter> adapter);

  // Computes all rows, extends the caches, and returns the wanted rows' logits, [wanted, vocab_size], in
  // order; they are valid until the next call. InputError where a logit is not finite; the message says which
  // weight is to blame, if one is. InputError too where a key or value is beyond the range of an F16 cache.
  std::span<const float> forward(std::span<const SequenceInput> sequences);

  // The logits, [rows, vocab_size], that rows of the residual stream would have after the last layer: `x` is
  // [rows, hidden_size]. At most max_rows rows. Valid, and refused, as those of forward.
  std::span<const float> logits_of(const float* x, std::int64_t rows);

  const LlamaConfig& config() const { return config_; }
  const std::string& name() const { return name_; }
  ThreadPool& pool() { return pool_; }
  std::int64_t max_rows() const { return max_rows_; }
  // The type that pools for this model's keys and values should have: F32, or F16 for half the memory.
  DType kv_type() const { return kv_type_; }
  Activations activations() const { return products_.activations(); }
  // Whether cached keys depend on more than the tokens up to them, so that sequences cannot share them.
  bool keys_depend_on_length(std::int64_t length) const { return rope_.depends_on_length(length); }

 private:
  struct Row {
    std::size_t sequence;
    std::int32_t token;
    std::int64_t position, rope_length;
  };

  void grow(std::int64_t rows, std::int64_t keys);
  void start(std::span<const SequenceInput> sequences);
  void attend(std::span<const SequenceInput> sequences, std::int64_t layer);
  void feed_forward(const LayerWeights& weights);
  void store_keys_and_values(std::span<const SequenceInput> sequences, std::int64_t layer);
  void norm_row(const std::vector<float>& weight, std::int64_t r, float* to) const;
  std::span<const float> project(std::int64_t wanted, std::span<const SequenceInput> sequences);
  // Products of the normalised rows of x.
  void normed_products(const std::vector<float>& norm, std::span<const Product> products);
  std::span<const float> output(std::span<const SequenceInput> sequences);
  [[noreturn]] void refuse_non_finite(std::span<const SequenceInput> sequences) const;

  LlamaConfig config_;
  std::shared_ptr<const WeightMap> map_;
  LlamaWeights weights_;
  std::shared_ptr<const Adapter> adapter_;
  std::string name_;
  ThreadPool& pool_;
  LinearProducts products_;
  RopeTable rope_;
  std::int64_t max_rows_;
  DType kv_type_;

  std::vector<Row> rows_;
  std::vector<AttentionSequence> attention_;
  std::int64_t capacity_ = 0, scratch_stride_ = 0;
  AlignedBuffer<float> x_, normed_;       // [rows, padded(hidden_size)]
  AlignedBuffer<float> q_, k_, v_;        // [rows, heads * head_dim], [rows, kv_heads * head_dim]
  AlignedBuffer<float> attended_;         // [rows, padded(heads * head_dim)]
  AlignedBuffer<float> gate_, up_;        // [rows, padded(intermediate_size)]
  AlignedBuffer<float> cosines_, sines_;  // [rows, head_dim / 2]
  AlignedBuffer<float> scratch_;          // [threads, scratch_stride]
  AlignedBuffer<float> logits_;           // [wanted rows, vocab_size]
};

}  // namespace refocus
