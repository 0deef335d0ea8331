// Low-rank adaptation (LoRA, Hu et al. 2021): a model's matrices stay as they are, and beside each of some of
// them, W [outputs, inputs], a change alpha / r * B A is trained, A [r, inputs], B [outputs, r].
//
// This file says which numbers that are and where they lie; what is computed with them is in
// train/lora_products.h.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "architecture/model_config.h"
#include "train/parameters.h"

namespace refocus {

struct LoraOptions {
  std::int64_t rank = 8;
  double alpha = 16;
  std::vector<std::string> targets;  // of kAdapterTargets (model/adapter.h), in that order
};

// "q_proj,v_proj" or "all". UsageError for an unknown name.
std::vector<std::string> parse_lora_targets(std::string_view text);

// The adapters of one group. Their A's lie one after the other, [members * rank, inputs], so that they are
// one product.
struct LoraGroup {
  struct Member {
    std::int64_t b = 0;             // offset of B, [outputs, rank]
    std::int64_t first_output = 0;  // of the matrix within the group's outputs
    std::int64_t outputs = 0;
  };
  std::int64_t inputs = 0, outputs = 0;  // of the group
  std::int64_t a = 0;                    // offset of the A's
  std::vector<Member> members;           // those that have an adapter
};

// Parameters are named as in PEFT's files.
class LoraLayout : public ParameterList {
 public:
  // UsageError where the rank is larger than a matrix.
  LoraLayout(const ModelConfig& config, const LoraOptions& options);

  const LoraGroup& group(std::int64_t layer, LinearGroup group) const {
    return groups_[static_cast<std::size_t>(layer)][static_cast<std::size_t>(group)];
  }
  std::int64_t layers() const { return static_cast<std::int64_t>(groups_.size()); }
  std::int64_t rank() const { return rank_; }
  float scale() const { return scale_; }

 private:
  std::int64_t rank_;
  float scale_;
  std::vector<std::array<LoraGroup, kLinearGroups>> groups_;  // [layers]
};

// A as PEFT begins it, uniform in +-1 / sqrt(inputs) (Kaiming's with a = sqrt(5)), a function of the seed;
// B zero, so that the first step is the base model's.
void initialise_lora(const LoraLayout& layout, std::uint64_t seed, float* weights);

}  // namespace refocus
