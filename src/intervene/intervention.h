// An intervention at work on one sequence: the hooks that the attention kernel calls in each layer.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "intervene/grammar/spec.h"
#include "intervene/row_step.h"
#include "kernels/attention.h"

namespace refocus {

// The first layer of which the intervention may change anything: what layers below it make of a prompt is bit
// for bit what they make of it without one. As many as there are layers where it changes none, whatever it is
// aimed at; 0 for functions of the program's own, which may keep what they see. Looking at layer 0, as
// re-balancing does, changes nothing.
std::int64_t first_changed_layer(const InterventionSpec& spec, InterventionShape shape);

class Intervention {
 public:
  Intervention(const InterventionSpec& spec, const InterventionShape& shape);
  ~Intervention();
  Intervention(Intervention&&) noexcept;
  Intervention& operator=(Intervention&&) noexcept;

  // For the next sequence. UsageError for null, here and in hooks(), where the specification needs a target.
  void aim(std::shared_ptr<const InterventionTarget> target);

  // For a continuation of the prompt that `other`, of the same specification and aim, has gone through: takes
  // over what parts that look at the whole prompt know from it.
  void go_on_from(const Intervention& other);

  // [layers], for SequenceInput::hooks; null where nothing is to be done, so that a run without intervention
  // is the run of an engine that has none. Valid as long as this object, wherever it is moved to, until it is
  // aimed anew.
  const AttentionHooks* hooks() const;

  // M of a row and head of the last call (intervene/rebalance.h), of the first part that re-balances with a
  // mask.
  const std::vector<std::int32_t>& rebalance_mask(std::int64_t row, std::int64_t head) const;

 private:
  class Program;
  std::unique_ptr<Program> program_;
};

}  // namespace refocus
