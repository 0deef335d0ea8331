// The methods that work with numbers from a file (intervene/tensor_file.h).
#pragma once

#include <memory>

#include "intervene/grammar/spec.h"
#include "intervene/row_step.h"

namespace refocus {

// The head puts out its mean, "means" [layers, heads, head_dim].
class Mean : public RowStep {
 public:
  Mean(const InterventionPart& part, const InterventionShape& shape);
  bool changes_output() const override { return true; }
  void change_output(std::int64_t layer, const AttentionRow& at, std::span<float> out) const override;

 private:
  std::shared_ptr<const TensorFile> file_;
  std::int64_t heads_;
  std::span<const float> means_;
};

// k += gain P k with P = "positive" [layers, kv_heads, head_dim, head_dim] for chosen keys, and
// k += negative P k with P = "negative", where the file has that, for the prompt's others.
class Seka : public RowStep {
 public:
  Seka(const InterventionPart& part, std::size_t index, const InterventionShape& shape);
  void aim(const InterventionTarget* target) override { target_ = target; }
  // Nothing is emphasised against nothing.
  bool is_idle() const override {
    return target_->keys[part_].empty() || (gain_ == 0 && (negative_ == 0 || negatives_.empty()));
  }
  bool changes_keys() const override { return true; }
  void change_keys(std::int64_t layer, std::int64_t position, std::span<float> keys) const override;

 private:
  std::shared_ptr<const TensorFile> file_;
  std::size_t part_;
  float gain_, negative_;
  std::int64_t kv_heads_, first_kv_head_, head_dim_;
  std::span<const float> positives_, negatives_;
  const InterventionTarget* target_ = nullptr;
};

}  // namespace refocus
