#include "eval/score/divergence.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/error.h"

namespace refocus {

double log_sum_exp(std::span<const float> logits) {
  REFOCUS_CHECK(!logits.empty());
  const double max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - max);
  return max + std::log(sum);
}

double negative_log_likelihood(std::span<const float> logits, double log_sum, std::int32_t target) {
  REFOCUS_CHECK(target >= 0 && static_cast<std::size_t>(target) < logits.size());
  return log_sum - static_cast<double>(logits[static_cast<std::size_t>(target)]);
}

double kl_divergence(std::span<const float> reference, double reference_log_sum, std::span<const float> other,
                     double other_log_sum) {
  REFOCUS_CHECK(reference.size() == other.size());
  double sum = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double log_p = static_cast<double>(reference[i]) - reference_log_sum;
    const double log_q = static_cast<double>(other[i]) - other_log_sum;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return std::max(sum, 0.0);
}

}  // namespace refocus
