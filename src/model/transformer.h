// The forward pass of every family: one layer loop for prefill, decode, batches, capture and evaluation.
//
// Rows of several sequences go through together; each row's result is bitwise the same whatever is computed
// beside it, however its sequence is cut into calls, and with any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "architecture/model_config.h"
#include "base/aligned_buffer.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/activation.h"
#include "kernels/attention.h"
#include "model/kv_cache.h"
#include "model/linear_products.h"
#include "model/rope_table.h"
#include "model/weights.h"

namespace refocus {

enum class LogitRows { kNone, kLast, kAll };

// The layers that a call computes, [first, end).
struct LayerRange {
  static constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();
  std::int64_t first = 0, end = kAll;
};

// Sees the residual stream of one sequence's rows after each layer: x + r * stride is row r's, [hidden_size].
struct ResidualTap {
  void* context = nullptr;
  void (*after_layer)(void* context, std::int64_t layer, const float* x, std::int64_t stride) = nullptr;
  // The same before the call's first layer; may be null.
  void (*before_layers)(void* context, const float* x, std::int64_t stride) = nullptr;
  // It need not see the last layer: what that makes of rows whose logits are not wanted may be left out.
  bool spares_last_layer = false;
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
  // Where a call begins with a later layer than 0: these tokens' residual stream before it, as a tap saw it
  // after the layer below, [tokens, hidden_size].
  const float* residuals = nullptr;
  std::int64_t last_rows = 1;  // with LogitRows::kLast: of so many of the last tokens, at least 1

  // Of how many tokens, the last ones, logits are wanted.
  std::int64_t wanted_rows() const {
    const std::int64_t rows = std::ssize(tokens);
    if (logits == LogitRows::kLast) return std::min(last_rows, rows);
    return logits == LogitRows::kAll ? rows : 0;
  }
};

class DeviceTransformer;
class ModelPartition;

// The heads of each layer that a process computes: all, or those of a rank of several.
struct OwnHeads {
  std::int64_t first = 0, count = 0;        // query heads
  std::int64_t first_kv = 0, kv_count = 0;  // key/value heads
};

class Transformer {
 public:
  // `weights` must outlive the transformer. At most `max_rows` rows may go into one forward call. With a
  // `device` it computes there: with activations of F32 or F16, and pools of that device (kv_pool_of). With a
  // `partition` it computes its rank's share, in step with the other ranks (model/partition.h).
  Transformer(ModelConfig config, std::shared_ptr<const WeightMap> weights, std::string name,
              ThreadPool& pool, std::int64_t max_rows, DType kv_type = DType::kF32,
              Activations activations = Activations::kInt8, std::shared_ptr<Device> device = nullptr,
              std::shared_ptr<ModelPartition> partition = nullptr);
  ~Transformer();

  // Adds a low-rank change to the weights, beside them: they stay as they are stored. Once, before the first
  // call of forward. InputError where the adapter is another model's.
  void attach(std::shared_ptr<const Adapter> adapter);

  // Computes all rows, extends the caches, and returns the wanted rows' logits, [wanted, vocab_size], in
  // order; they are valid until the next call. What the last layer makes of rows whose logits are not wanted
  // is left out, but for sequences with a tap, an observer or a hook on heads' outputs. InputError where a
  // logit is not finite; the message says which weight is to blame, if one is. InputError too where a key or
  // value is beyond the range of an F16 cache.
  //
  // Of `layers` alone where given: from saved residuals on, with the bits of a call of all layers; logits
  // only where they end with the last one. A cache holds no keys of layers that were not computed, so its
  // later calls must begin with the same layer. Hooks that look at layer 0's weights (re-balancing's masks)
  // see them all the same: of such sequences that layer's attention is computed, and no more of it.
  //
  // With a partition: all ranks call it with the same, of all layers and without taps and observers, and all
  // have the logits. Errors are the same on all ranks; those of a call without wanted logits are thrown by a
  // later one, since stages do not wait for each other until then.
  std::span<const float> forward(std::span<const SequenceInput> sequences, LayerRange layers = {});

  // The logits, [rows, vocab_size], that rows of the residual stream would have after the last layer: `x` is
  // [rows, hidden_size]. At most max_rows rows. Valid, and refused, as those of forward.
  std::span<const float> logits_of(const float* x, std::int64_t rows);

  const ModelConfig& config() const { return config_; }
  const std::string& name() const { return name_; }
  // What it computes with, for what takes its results apart.
  const ModelWeights& weights() const { return weights_; }
  // One line each: what the weights lack that the config states.
  const std::vector<std::string>& warnings() const { return weights_.warnings; }
  ThreadPool& pool() const { return pool_; }
  std::int64_t max_rows() const { return max_rows_; }
  // The type that pools for this model's keys and values should have: F32, or F16 for half the memory.
  DType kv_type() const { return kv_type_; }
  Activations activations() const { return products_.activations(); }
  // Whether cached keys depend on more than the tokens up to them, so that sequences cannot share them.
  bool keys_depend_on_length(std::int64_t length) const;
  // That it computes on, or null: the processor.
  Device* device() const;
  ModelPartition* partition() const { return partition_.get(); }
  const OwnHeads& own_heads() const { return own_; }
  KvShare kv_share() const;

 private:
  struct Row {
    std::size_t sequence;
    std::int32_t token;
    std::int64_t position, rope_length;
  };

  void grow(std::int64_t rows, std::int64_t keys);
  void start(std::span<const SequenceInput> sequences, std::int64_t first_layer);
  void place(std::int64_t r, const Row& row);
  void tell_taps(std::span<const SequenceInput> sequences, std::int64_t layer) const;
  void tell_taps_before(std::span<const SequenceInput> sequences) const;
  void run_layers(std::span<const SequenceInput> sequences, std::int64_t first, std::int64_t end);
  void extend_caches(std::span<const SequenceInput> sequences) const;
  std::int64_t norm_wanted_rows(std::span<const SequenceInput> sequences);
  std::span<const float> logits_of_normed(std::int64_t wanted, std::span<const SequenceInput> sequences);
  std::span<const float> output(std::span<const SequenceInput> sequences);
  std::span<const float> forward_on_device(std::span<const SequenceInput> sequences, LayerRange layers);
  bool are_finite(std::span<const float> logits) const;
  [[noreturn]] void refuse_non_finite(std::span<const SequenceInput> sequences) const;

  // With a partition; see transformer_parts.cpp.
  std::span<const float> forward_in_parts(std::span<const SequenceInput> sequences);
  void run_part(std::vector<SequenceInput>& part, std::int64_t& wanted);
  std::vector<std::byte> saved_part(std::span<const SequenceInput> part) const;
  void load_part(std::span<const std::byte> saved, std::vector<SequenceInput>& part);
  void remember_failure(const InputError& error);
  void gather_columns(float* x, std::int64_t rows, std::int64_t stride, std::int64_t columns,
                      std::int64_t unit);
  void gather_survey_sums(const AttentionSequence& sequence);
  void run_outputs(const float* x, std::int64_t rows, std::int64_t inputs, Product product,
                   const std::function<void(std::int64_t r)>& make_row = nullptr);

  // A layer; see transformer_layer.cpp.
  void attend(std::span<const SequenceInput> sequences, std::int64_t layer);
  void run_attention(std::span<const SequenceInput> sequences, std::int64_t layer);
  void show_first_layer(std::span<const SequenceInput> sequences);
  void survey(const AttentionShape& shape);
  void leave_unwanted_rows(std::span<const SequenceInput> sequences);
  AttentionBuffers attention_buffers();
  void feed_forward(const LayerWeights& weights, bool experts);
  void store_keys_and_values(std::span<const SequenceInput> sequences, std::int64_t layer);
  void turn_row(std::int64_t r, const LayerWeights& weights, LayerConfig::Rope rope,
                const AttentionHooks* hooks);
  // `first`: of the norm's weights.
  void apply_norm(const Norm& norm, const float* x, std::int64_t size, float* y,
                  std::int64_t first = 0) const;
  // Products of the rows of x_, normalised where the norm is there.
  void normed_products(const Norm& norm, std::span<const Product> products);
  // x_ += residual_multiplier * norm(branch_), or of branch_ itself.
  void add_branch(const Norm& norm);
  // Whether what attention and MLP make is added to x_ as it is computed, with no norm or factor between.
  bool adds_directly() const {
    return config_.placement == Placement::kPre && config_.residual_multiplier == 1;
  }
  bool is_parallel() const {
    return config_.placement == Placement::kParallel || config_.placement == Placement::kParallelTwo;
  }

  // Gated or plain MLPs, of a layer or of one expert, with the rows that lie between their products.
  struct InnerRows {
    std::int64_t size = 0;
    AlignedBuffer<float> gate, up;  // [rows, padded(size)]
  };
  void run_mlp(const float* x, std::int64_t rows, const Linear& gate, const Linear& up, const Product& down,
               InnerRows& inner, const std::function<void(std::int64_t r)>& make_row);
  void run_experts(const ExpertWeights& weights, const Norm& norm);
  void run_shared_expert(const ExpertWeights& weights, std::int64_t rows);

  ModelConfig config_;
  std::shared_ptr<const WeightMap> map_;
  std::shared_ptr<ModelPartition> partition_;
  WeightShare share_;
  OwnHeads own_;
  ModelWeights weights_;
  std::shared_ptr<const Adapter> adapter_;
  std::string name_;
  ThreadPool& pool_;
  LinearProducts products_;
  RopeTable rope_;
  std::optional<RopeTable> local_rope_;
  Elementwise activation_;
  std::int64_t max_rows_;
  DType kv_type_;

  // Of calls of a partition since all ranks agreed last.
  std::uint64_t fingerprint_ = 0;
  std::int64_t sent_rows_ = 0;
  std::string failure_;
  bool told_to_stop_ = false;
  std::vector<std::byte> received_;   // that residuals of the part point into
  AlignedBuffer<float> wanted_rows_;  // normed, [wanted, padded(hidden_size)]

  std::vector<Row> rows_;
  std::vector<AttentionSequence> attention_;
  std::int64_t capacity_ = 0, scratch_stride_ = 0;
  AlignedBuffer<float> x_, normed_;  // [rows, padded(hidden_size)]
  AlignedBuffer<float> branch_;      // as x_: what a branch adds, where it is not added directly
  AlignedBuffer<float> q_, k_, v_;   // [rows, own heads * head_dim], [rows, own kv_heads * head_dim]
  AlignedBuffer<float> attended_;    // [rows, padded(heads * head_dim)]
  InnerRows mlp_, expert_, shared_;
  AlignedBuffer<float> router_;                       // [rows, experts]: logits, then weights
  AlignedBuffer<float> expert_in_, expert_out_;       // [rows, padded(hidden_size)]: those of one expert
  AlignedBuffer<float> cosines_, sines_;              // [rows, rotary / 2]
  AlignedBuffer<float> local_cosines_, local_sines_;  // the same of local_rope_
  AlignedBuffer<float> scratch_;                      // [threads, scratch_stride]
  AlignedBuffer<float> logits_;                       // [wanted rows, vocab_size]
  std::unique_ptr<DeviceTransformer> device_;
  std::vector<float> angles_[2];  // for a device: [positions, 2, rotary / 2] of rope_, of local_rope_
};

// A cache for the model's keys and values, where it computes.
KvPool kv_pool_of(const Transformer& model, std::int64_t max_bytes);

}  // namespace refocus
