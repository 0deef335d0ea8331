// The two sides of activation patching, which a program aims by itself (InterventionTarget::taken, ::given).
#pragma once

#include "intervene/head_outputs.h"
#include "intervene/row_step.h"

namespace refocus {

// Keeps what the head puts out, and changes nothing.
class TakeOutputs : public RowStep {
 public:
  bool works_shared() const override { return false; }  // outputs of all layers are wanted in one place
  void aim(const InterventionTarget* target) override { target_ = target; }
  bool changes_output() const override { return true; }
  void change_output(std::int64_t layer, const AttentionRow& at, std::span<float> out) const override;

 private:
  const InterventionTarget* target_ = nullptr;
};

// The head puts out what was kept.
class GiveOutputs : public RowStep {
 public:
  void aim(const InterventionTarget* target) override { target_ = target; }
  bool is_idle() const override { return target_->given->rows() == 0; }
  bool changes_output() const override { return true; }
  void change_output(std::int64_t layer, const AttentionRow& at, std::span<float> out) const override;

 private:
  const InterventionTarget* target_ = nullptr;
};

}  // namespace refocus
