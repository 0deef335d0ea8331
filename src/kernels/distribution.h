// What one row of logits says about the next token, and how far two rows differ.
//
// A row is [vocab] finite numbers x, and stands for the distribution p_i = exp(x_i) / sum_j exp(x_j).
// Everything is computed in double, by one order of sums whatever the instruction set; logarithms are
// natural, so the unit is the nat.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"

namespace refocus {

// log sum_j exp(x_j), the largest x taken out first, so that nothing overflows. The row is not empty.
double log_sum_exp(std::span<const float> logits);

// KL(p || q) = sum_i p_i (log p_i - log q_i), p the reference's distribution and q the other's: what is lost
// by taking q for p (Kullback and Leibler, 1951). Each row comes with its log_sum_exp. Never negative:
// rounding below 0 becomes 0.
double kl_divergence(std::span<const float> reference, double reference_log_sum, std::span<const float> other,
                     double other_log_sum);

// -log p_target. The target is a place of the row.
inline double negative_log_likelihood(std::span<const float> logits, double log_sum, std::int32_t target) {
  REFOCUS_CHECK(target >= 0 && static_cast<std::size_t>(target) < logits.size());
  return log_sum - static_cast<double>(logits[static_cast<std::size_t>(target)]);
}

namespace reference {
double log_sum_exp(std::span<const float> logits);
double kl_divergence(std::span<const float> reference, double reference_log_sum, std::span<const float> other,
                     double other_log_sum);
}  // namespace reference

}  // namespace refocus
