// An intervention at work on one sequence: the hooks that the attention kernel calls in each layer.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "intervene/spec.h"
#include "kernels/attention.h"

namespace refocus {

class Rebalance;

class Intervention {
 public:
  // For a model of `layers` layers and `heads` query heads, and calls of at most `max_rows` rows.
  Intervention(const InterventionSpec& spec, std::int64_t layers, std::int64_t heads, std::int64_t max_rows);
  ~Intervention();
  Intervention(Intervention&&) noexcept;
  Intervention& operator=(Intervention&&) noexcept;

  // [layers], for SequenceInput::hooks; null where nothing is to be done, so that a run without intervention
  // is the run of an engine that has none. Valid as long as this object, wherever it is moved to.
  const AttentionHooks* hooks() const;

 private:
  std::unique_ptr<Rebalance> rebalance_;
};

}  // namespace refocus
