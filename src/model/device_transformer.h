// The forward pass on a device (device/device.h): the layer loop of model/transformer.h, with the same
// features, hooks and results, for weights that lie there.
//
// Interventions that re-balance run on the device as data. For all others scores go to the processor, where
// the same hooks are called as anywhere else, and the edited weights go back. Whoever looks at weights is
// shown those of the processor, computed from the same scores, and changes no bit of the result. Residual
// streams, logits and keys before rotation go there and back where somebody asks for them.
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/device_call.h"
#include "model/device_hooks.h"
#include "model/device_weights.h"

namespace refocus {

class DeviceTransformer {
 public:
  // config, weights and pool must outlive it.
  DeviceTransformer(const ModelConfig& config, const ModelWeights& weights, std::string name,
                    ThreadPool& pool, std::shared_ptr<Device> device, DType kv_type,
                    DevicePrecision precision);
  ~DeviceTransformer();

  Device& device() const { return *device_; }
  DevicePrecision precision() const { return precision_; }

  // Takes over the adapter that the weights have been given.
  void attach();

  // As Transformer's; logits are not looked at. `angles`: see DeviceCall::list.
  template <class Angles>
  std::span<const float> forward(std::span<const SequenceInput> sequences, LayerRange layers,
                                 const Angles& angles) {
    call_.list(sequences, layers.first, angles);
    return run(sequences, layers);
  }
  std::span<const float> logits_of(const float* x, std::int64_t rows);

 private:
  // Activations on the device, [rows, stride].
  struct Rows {
    DeviceMemory memory;  // none where others' memory holds them too
    float* place = nullptr;
    std::int64_t size = 0, stride = 0;
    DeviceMemory half_memory = {};  // the same in half precision, where products read that
    DeviceHalf half = {};           // as it is now

    float* data() const { return place; }
  };
  struct Branch {
    float* y;
    bool accumulate;
  };

  std::span<const float> run(std::span<const SequenceInput> sequences, LayerRange layers);
  void grow(std::int64_t rows);
  void make_rows(std::int64_t rows, std::initializer_list<std::pair<Rows*, std::int64_t>> beside);
  void start(std::span<const SequenceInput> sequences, std::int64_t first_layer);
  void embed_here(std::span<const SequenceInput> sequences);
  void take_residuals(std::span<const SequenceInput> sequences);
  void tell_taps(std::span<const SequenceInput> sequences, std::int64_t layer, bool before);
  // False where nobody asks what the last layer makes of any row.
  bool attend(std::span<const SequenceInput> sequences, std::int64_t layer);
  void project_qkv(const DeviceLayerWeights& weights);
  void place(std::span<const SequenceInput> sequences, std::int64_t layer, const KvLayout::Place& where);
  void norm_heads(const DeviceLayerWeights& weights);
  void change_keys(std::span<const SequenceInput> sequences, std::int64_t layer);
  void keep_rows(const DeviceRows& kept);
  DeviceAttention attention_of(std::int64_t layer, const DeviceRows& rows, const KvLayout::Place& where);
  void run_attention(std::span<const SequenceInput> sequences, std::int64_t layer, const DeviceRows& rows,
                     const KvLayout::Place& where, bool surveyed);
  void feed_forward(const DeviceLayerWeights& weights, bool experts);
  void run_mlp(const Rows& x, std::int64_t rows, const DeviceLinear& gate, const DeviceLinear& up,
               const DeviceLinear& down, Rows& inner, Rows& other, Branch out);
  void run_experts(const DeviceExpertWeights& weights, const Rows& x);
  void run_shared_expert(const DeviceExpertWeights& weights, const Rows& x);
  void multiply(const Rows& x, std::int64_t rows, std::span<const DeviceLinear* const> linears,
                std::span<const DeviceProduct> products);
  // `readers`: all that y is multiplied with, so that it may be made in half precision at once.
  void norm(const DeviceNormWeights& norm, const Rows& x, std::int64_t rows, Rows& y,
            std::span<const DeviceLinear* const> readers = {});
  DeviceNorm norm_with(const DeviceNormWeights& weights) const;
  DeviceHalf half_for(Rows& y, std::int64_t rows, std::span<const DeviceLinear* const> readers);
  // x_ += residual_multiplier * norm(branch_), or of branch_ itself.
  void add_branch(const DeviceNormWeights& norm);
  void compute_logits();
  void project(std::int64_t wanted);
  std::int64_t flag_count() const;
  void make_results(std::int64_t rows);
  std::span<const float> fetch(std::int64_t rows);
  void refuse_overflow(const float* flags) const;

  bool adds_directly() const {
    return config_.placement == Placement::kPre && config_.residual_multiplier == 1;
  }
  bool is_parallel() const {
    return config_.placement == Placement::kParallel || config_.placement == Placement::kParallelTwo;
  }

  const ModelConfig& config_;
  const ModelWeights& host_weights_;
  std::string name_;
  ThreadPool& pool_;
  std::shared_ptr<Device> device_;
  DType kv_type_;
  DevicePrecision precision_;
  DeviceWeights weights_;
  DeviceCall call_;
  DeviceHooks hooks_;

  std::int64_t rows_ = 0, capacity_ = 0;
  const Rows* queries_ = nullptr;  // q_, or those kept of the last layer
  Rows x_, normed_, branch_, q_, k_, v_, attended_, gate_, up_, kept_x_, kept_q_;
  Rows expert_gate_, expert_up_, shared_gate_, shared_up_, router_, expert_in_, expert_out_, low_rank_;
  DeviceMemory mask_, results_, expert_ids_;
  std::vector<float> here_;  // rows on their way
  struct HostResults;
  std::unique_ptr<HostResults> host_results_;
};

}  // namespace refocus
