// Angles of the rotary position embedding, with every scaling of architecture/model_config.h. Computed in
// double.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "architecture/model_config.h"

namespace refocus {

class RopeTable {
 public:
  // The model's rope. `factors` [rotary / 2], or none: each frequency is divided by its factor, after every
  // other scaling.
  explicit RopeTable(const ModelConfig& config, std::span<const float> factors = {});
  // One of its ropes.
  RopeTable(const ModelConfig& config, const RopeConfig& rope, std::span<const float> factors);

  // Cosines and sines of one position, [rotary / 2] each. `length` is how many tokens the sequence has,
  // counted to the end of the call the position belongs to: with dynamic scaling the base grows with it once
  // it exceeds max_position_embeddings, with longrope other factors hold beyond the original length; keys
  // that are cached already keep their angles.
  void fill(std::int64_t position, std::int64_t length, float* cosines, float* sines);

  // Whether angles depend on `length` at this length.
  bool depends_on_length(std::int64_t length) const;

 private:
  void set_base(std::int64_t length);

  std::int64_t rotary_, max_position_embeddings_;
  double theta_;
  RopeScaling scaling_;
  std::int64_t base_length_ = 0;  // the length that inverse_frequencies_ is for, 0 where it does not matter
  std::vector<double> inverse_frequencies_;  // [rotary / 2]
  std::vector<double> factors_;              // [rotary / 2], or none
};

// The factors, [rotary / 2], that make unscaled frequencies those of llama3 scaling: what GGUF files store
// in its place. Empty where the config has another scaling or none.
std::vector<float> llama3_frequency_factors(const ModelConfig& config);

}  // namespace refocus
