// How sets of heads compare, item by item.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "stats/interval.h"

namespace refocus {

inline constexpr std::int64_t kResamples = 10000;  // of every bootstrap of a search
inline constexpr std::uint64_t kResampleSeed = 0;

// An arm's answers to the items of one half, in one order for all arms.
struct ArmAnswers {
  std::vector<char> correct;  // 0 or 1
  // What heads are ranked by: log P(right option | one of the options); of one option, log P(option). Of
  // activation patching, the log-odds of the right option: log P(right) - log P(wrong), with the option that
  // is right after the corrupted prompt as the wrong one, or, where that is not known, all others together.
  std::vector<double> likelihood;

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
  double mean = 0, low = 0, high = 0;  // the draws' accuracies (HeadScale::level): mean, smallest, largest
  PairedEffect beyond;                 // the set's answers minus the draws' mean, item by item
  // (1 + draws at least as far from `none` in the set's direction as the set itself) / (1 + draws).
  double rank_p = 1;
};
// All but `beyond`, of the levels of none, of a set and of at least one draw.
RandomEffect draw_levels(double none, double set, std::span<const double> draws);
// The interval by bootstrap, p by exchanging signs. At least one draw.
RandomEffect random_effect(const ArmAnswers& none, const ArmAnswers& set,
                           std::span<const ArmAnswers* const> draws);

}  // namespace refocus
