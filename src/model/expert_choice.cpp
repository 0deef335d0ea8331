#include "model/expert_choice.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace refocus {

void choose_experts(const ExpertConfig& config, float* logits) {
  const auto count = static_cast<std::size_t>(config.count),
             taken = static_cast<std::size_t>(config.per_token);
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto rank = [&](std::size_t e) { return std::isnan(logits[e]) ? kNotChosen : logits[e]; };
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(taken), order.end(),
      [&](std::size_t a, std::size_t b) { return rank(a) != rank(b) ? rank(a) > rank(b) : a < b; });
  const float largest = logits[order[0]];
  std::vector<float> weights(taken);
  double all = 0, sum = 0;
  for (std::size_t e = 0; e < count; ++e) all += std::exp(static_cast<double>(logits[e]) - largest);
  for (std::size_t i = 0; i < taken; ++i) sum += std::exp(static_cast<double>(logits[order[i]]) - largest);
  const bool of_taken = config.scores == ExpertConfig::Scores::kSoftmaxTopK || config.renormalise;
  for (std::size_t i = 0; i < taken; ++i) {
    weights[i] = static_cast<float>(std::exp(static_cast<double>(logits[order[i]]) - largest) /
                                    (of_taken ? sum : all));
  }
  std::fill_n(logits, count, kNotChosen);
  for (std::size_t i = 0; i < taken; ++i) logits[order[i]] = weights[i];
}

}  // namespace refocus
