// Someone who looks at the attention of one sequence while the scheduler computes it. What is looked at does
// not change by that.
#pragma once

#include <cstdint>

#include "kernels/attention.h"

namespace refocus {

class SequenceWatch {
 public:
  virtual ~SequenceWatch() = default;

  // The position of the first row that is looked at; what is before may come from the prefix cache.
  virtual std::int64_t first_row() const = 0;
  // Most rows of a call from first_row() on, unless the prompt has to go in one.
  virtual std::int64_t max_rows() const = 0;
  // Rows at the positions from `first` on are computed next, with what is returned for SequenceInput::hooks;
  // `hooks` are those of the sequence's intervention. Rows may be computed again where memory was short.
  virtual const AttentionHooks* begin_call(const AttentionHooks* hooks, std::int64_t first,
                                           std::int64_t rows) = 0;
};

}  // namespace refocus
