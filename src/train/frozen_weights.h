// A checkpoint's weights in float32 for training beside them: read, never written.
//
// Weights of any stored type are expanded to float32. Up to kMostResident of them stay expanded; of larger
// models one layer at a time is, once in the forward and once in the backward pass, so that a quantised model
// needs little more memory than its file. The numbers are the same either way.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "architecture/model_config.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "model/weights.h"
#include "train/lora.h"

namespace refocus {

// A layer's weights as they are used; matrices that read the same input lie one after the other, as in
// train/parameters.h.
struct LayerPointers {
  std::array<const float*, kNormPlaces> norms = {};  // [hidden] or [head_dim], or null for none
  std::array<const float*, kLinearGroups> matrices = {};
  std::array<const float*, kLinearGroups> biases = {};  // [outputs] of the group, or null for none

  const float* norm(NormPlace which) const { return norms[static_cast<std::size_t>(which)]; }
};

class FrozenWeights {
 public:
  static constexpr std::int64_t kMostResident = std::int64_t{1} << 29;  // weights: 2 GiB in float32

  // InputError where the checkpoint does not fit the config.
  FrozenWeights(const ModelConfig& config, std::shared_ptr<const WeightMap> map, const std::string& where,
                ThreadPool& pool, std::int64_t most_resident = kMostResident);

  // Valid until the next call of layer or lm_head.
  LayerPointers layer(std::int64_t index);
  const float* lm_head();  // [vocab, hidden]
  const float* norm() const { return weights_.norm.weight.data(); }
  void embedding(std::int32_t token, float* to) const;  // [hidden]
  std::span<const float> rope_factors() const { return weights_.rope_factors; }
  std::int64_t size() const { return size_; }  // weights
  const std::vector<std::string>& warnings() const { return weights_.warnings; }

 private:
  void expand(std::int64_t index, float* to);
  const float* expanded(std::int64_t index);

  ThreadPool& pool_;
  std::shared_ptr<const WeightMap> map_;
  ModelWeights weights_;
  std::vector<std::array<std::vector<float>, kLinearGroups>> biases_;  // [layers]
  std::int64_t size_ = 0, layer_size_ = 0;
  bool resident_ = false;
  AlignedBuffer<float> floats_;  // every layer and the output matrix, or one of them
  std::int64_t held_ = -1;       // which one; the output matrix counts as the last
};

}  // namespace refocus
