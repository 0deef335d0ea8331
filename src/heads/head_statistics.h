// How sets of heads compare, item by item.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "stats/interval.h"

namespace refocus {

// An arm's answers to the items of one half, in one order for all arms.
struct ArmAnswers {
  std::vector<char> correct;       // 0 or 1
  std::vector<double> likelihood;  // log P(right option | one of the options); of one option, log P(option)

  double accuracy() const;
  double mean_likelihood() const;
};

// `after` minus `before`, of accuracies over the same items.
struct PairedEffect {
  double difference = 0;
  std::optional<Interval> interval;
  double p = 1;     // exact, two-sided
  double holm = 1;  // the same, corrected for what was tried beside it
  std::int64_t fixed = 0, broken = 0;
};
// Tango's interval and McNemar's exact test.
PairedEffect paired_effect(const ArmAnswers& before, const ArmAnswers& after);

// Of a set against sets of the same size that were drawn at random.
struct RandomEffect {
  double mean = 0, low = 0, high = 0;  // the draws' accuracies: mean, smallest, largest
  PairedEffect beyond;                 // the set's answers minus the draws' mean, item by item
  // (1 + draws at least as far from `none` in the set's direction as the set itself) / (1 + draws).
  double rank_p = 1;
};
// The interval by bootstrap, p by exchanging signs. At least one draw.
RandomEffect random_effect(const ArmAnswers& none, const ArmAnswers& set,
                           std::span<const ArmAnswers* const> draws);

}  // namespace refocus
