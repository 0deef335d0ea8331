// A model's weights on a device. Matrices of types that the device keeps are there as they are stored; others
// are turned into F32, or, where products are those of half precision, into F16 as far as they fit into its
// range; BF16 too then, which rounds activations to 8 bits. Matrices that are multiplied with the same rows
// lie one after the other.
#pragma once

#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "device/device_memory.h"
#include "model/weights.h"

namespace refocus {

// A matrix, its bias and its adapter. Move-only.
class DeviceLinear {
 public:
  DeviceLinear() = default;
  DeviceLinear(Device& device, ThreadPool& pool, const Linear& linear, DevicePrecision precision);
  // Of a matrix on the device, or of a part of one, that `owner` gives back.
  DeviceLinear(Device& device, std::shared_ptr<const void> owner, const DeviceMatrix& matrix,
               const Linear& linear);

  bool present() const { return matrix_.present(); }
  const DeviceMatrix& matrix() const { return matrix_; }
  const float* bias() const { return bias_.as<const float>(); }

  // The change beside it: y += (x A^T) B^T.
  void attach(Device& device, const LowRank& change);
  std::int64_t rank() const { return a_.present() ? a_.outputs : 0; }
  const DeviceMatrix& a() const { return a_; }  // [rank, inputs]
  const DeviceMatrix& b() const { return b_; }  // [outputs, rank]

 private:
  std::vector<std::shared_ptr<const void>> owners_;
  DeviceMatrix matrix_, a_, b_;
  DeviceMemory bias_;
};

struct DeviceNormWeights {
  DeviceMemory weight, bias;

  bool present() const { return static_cast<bool>(weight); }
};

// As ExpertWeights and LayerWeights (model/weights.h).
struct DeviceExpertWeights {
  DeviceLinear router;
  std::vector<DeviceLinear> gate, up, down;
  DeviceLinear shared_gate, shared_up, shared_down, shared_expert_gate;
};

struct DeviceLayerWeights {
  DeviceNormWeights attention_norm, attention_output_norm, mlp_norm, mlp_output_norm, q_norm, k_norm;
  DeviceLinear q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj;
  DeviceMemory sinks;
  DeviceExpertWeights experts;
};

struct DeviceWeights {
  // Tables of F32, F16 or BF16 that rows are looked up in; absent where `weights` has another type: then
  // they are looked up there.
  DeviceLinear embed_tokens, positions;
  std::vector<DeviceLayerWeights> layers;
  DeviceNormWeights norm;
  DeviceLinear lm_head;  // absent where it is the embedding table
  bool tied = false;

  const DeviceLinear& head() const { return tied ? embed_tokens : lm_head; }
};

DeviceWeights upload_weights(Device& device, ThreadPool& pool, const ModelWeights& weights,
                             DevicePrecision precision);

// Takes the adapters over that `weights` has been given since.
void attach_adapters(Device& device, const ModelWeights& weights, DeviceWeights& to);

}  // namespace refocus
