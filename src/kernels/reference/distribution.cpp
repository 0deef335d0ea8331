#include "kernels/distribution.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace refocus::reference {

double log_sum_exp(std::span<const float> logits) {
  REFOCUS_CHECK(!logits.empty());
  const double max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - max);
  return max + std::log(sum);
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

}  // namespace refocus::reference
