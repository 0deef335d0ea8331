#include "eval/report/pair_effect.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace refocus {
namespace {

bool is_unchanged(const PairedNumbers& all) {
  return all.difference && all.fixed == 0 && all.broken == 0 && all.f1_difference.value_or(0) == 0;
}

void sort_by_effect(const TaskComparison& task, std::vector<std::size_t>& places) {
  // Pairs without a difference come last.
  const auto key = [&](std::size_t place) {
    const PairedNumbers& all = task.pairs[place].numbers.back();
    return std::tuple(all.difference ? -std::fabs(*all.difference) : 1.0, all.p.value_or(1.0));
  };
  std::ranges::stable_sort(places, {}, key);
}

std::vector<std::size_t> joined(std::vector<std::size_t> first, const std::vector<std::size_t>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

PairEffect pair_effect(const PairedNumbers& numbers) {
  constexpr double kLevel = 0.05;
  if (!numbers.interval || !numbers.p) return PairEffect::kUnknown;
  if (*numbers.p >= kLevel) return PairEffect::kUnclear;
  if (numbers.interval->low > 0) return PairEffect::kBetter;
  return numbers.interval->high < 0 ? PairEffect::kWorse : PairEffect::kUnclear;
}

std::vector<std::size_t> PairOrder::changed() const { return joined(same_prompt, prompts); }

std::vector<std::size_t> PairOrder::all() const { return joined(changed(), unchanged); }

PairOrder order_by_effect(const Comparison& comparison, const TaskComparison& task) {
  PairOrder order;
  for (std::size_t place = 0; place < task.pairs.size(); ++place) {
    const ArmPair& pair = task.pairs[place].pair;
    const bool same = comparison.arms[pair.baseline].arm.prompt == comparison.arms[pair.arm].arm.prompt;
    const bool unchanged = is_unchanged(task.pairs[place].numbers.back());
    (unchanged ? order.unchanged : same ? order.same_prompt : order.prompts).push_back(place);
  }
  sort_by_effect(task, order.same_prompt);
  sort_by_effect(task, order.prompts);
  return order;
}

}  // namespace refocus
