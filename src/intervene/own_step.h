// A function of the program (intervene/own_change.h) at work on one sequence.
#pragma once

#include <memory>

#include "intervene/grammar/own_change.h"
#include "intervene/row_step.h"

namespace refocus {

class OwnStep : public RowStep {
 public:
  OwnStep(const InterventionPart& part, std::size_t index)
      : change_(part.own), index_(index), has_keys_(!part.keys.terms.empty()) {}

  void aim(const InterventionTarget* target) override { target_ = target; }
  bool acts_on_scores() const override { return change_->when() == OwnChange::When::kScores; }
  bool takes_blocks() const override { return true; }
  bool works_shared() const override { return false; }  // a function may keep what it saw of earlier layers
  void begin_sequence(std::uint64_t number) override { sequence_ = number; }
  void change_block(std::int64_t layer, const RowBlock& block) const override;

 private:
  std::shared_ptr<const OwnChange> change_;
  std::size_t index_;
  bool has_keys_;
  const InterventionTarget* target_ = nullptr;
  std::uint64_t sequence_ = 0;
};

}  // namespace refocus
