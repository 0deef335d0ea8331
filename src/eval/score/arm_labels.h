// Short names of arms for people: what tells an arm from the others, and nothing else.
#pragma once

#include <string>
#include <vector>

#include "eval/score/comparison.h"

namespace refocus {

// [arms] such as "rebalance alpha=0.2", the name that an arm was given, or, where kinds of prompts differ,
// "cot, none"; settings of an intervention that are the same in all of its arms are left out. With two runs,
// the run's name follows. All labels of a list differ.
std::vector<std::string> arm_labels(const std::vector<ComparedArm>& arms,
                                    const std::vector<std::string>& runs);

// What one arm differs in from its baseline, each for itself: "rebalance alpha=0.2" and "none (cot)".
struct PairLabels {
  std::string arm, baseline;
};
PairLabels pair_labels(const Comparison& comparison, const std::vector<std::string>& labels,
                       const ArmPair& pair);

// Both of them, for a sentence: "rebalance alpha=0.2 against none (cot)".
std::string pair_label(const Comparison& comparison, const std::vector<std::string>& labels,
                       const ArmPair& pair);

}  // namespace refocus
