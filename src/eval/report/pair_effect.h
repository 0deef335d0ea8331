// What a comparison shows, and which comparisons a reader wants to see first.
#pragma once

#include <cstddef>
#include <vector>

#include "eval/score/comparison.h"

namespace refocus {

// "Better" and "worse" only where the 95% interval excludes zero and McNemar's p is below 0.05.
enum class PairEffect { kUnknown, kUnclear, kBetter, kWorse };
PairEffect pair_effect(const PairedNumbers& numbers);

// Places in TaskComparison::pairs. A pair is unchanged where not one question has another outcome.
struct PairOrder {
  std::vector<std::size_t> same_prompt;  // changed, of arms with the same kind of prompt: largest difference
                                         // first, of equal ones the smaller p, then as the arms were asked
  std::vector<std::size_t> prompts;      // changed, of arms with different prompts, in the same order
  std::vector<std::size_t> unchanged;    // as the arms were asked

  std::vector<std::size_t> changed() const;  // same_prompt, then prompts
  std::vector<std::size_t> all() const;      // changed, then unchanged
};
PairOrder order_by_effect(const Comparison& comparison, const TaskComparison& task);

}  // namespace refocus
