#include "eval/score/perplexity.h"

#include <algorithm>
#include <numbers>

#include "base/error.h"

namespace refocus {

std::vector<TextWindow> sliding_windows(std::int64_t tokens, std::int64_t context, std::int64_t stride) {
  REFOCUS_CHECK(tokens >= 2 && context >= 2 && stride >= 1 && stride <= context);
  std::vector<TextWindow> out;
  std::int64_t scored = 0;  // tokens before this are scored, or cannot be
  for (std::int64_t begin = 0; scored < tokens; begin += stride) {
    const std::int64_t end = std::min(begin + context, tokens);
    const std::int64_t first = std::max(scored, begin + 1);
    if (first < end) out.push_back({begin, first, end});
    scored = end;
  }
  return out;
}

std::int64_t counted_tokens(std::span<const TextWindow> windows) {
  std::int64_t count = 0;
  for (const TextWindow& window : windows) count += window.end - window.first_counted;
  return count;
}

PerplexitySummary summarize_perplexity(const TokenScores& arm) {
  PerplexitySummary out;
  out.nll = mean_of(arm.nll);
  out.perplexity = exp_of(out.nll);
  const double bits = static_cast<double>(arm.nll.size()) / std::numbers::ln2;
  out.bits.value = out.nll.value * bits;
  if (out.nll.standard_error) out.bits.standard_error = *out.nll.standard_error * bits;
  return out;
}

DivergenceSummary summarize_divergence(const TokenScores& reference, const TokenScores& arm) {
  const std::size_t count = arm.nll.size();
  REFOCUS_CHECK(reference.nll.size() == count && arm.divergence.size() == count);
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = arm.nll[i] - reference.nll[i];
  DivergenceSummary out;
  out.nll_difference = mean_of(values);
  out.perplexity_ratio = exp_of(out.nll_difference);
  out.kl = mean_of(arm.divergence);
  values = arm.divergence;
  std::sort(values.begin(), values.end());
  out.kl_median = quantile_of_sorted(values, 0.5);
  out.kl_p99 = quantile_of_sorted(values, 0.99);
  out.kl_max = values.back();
  out.top1_agreement = static_cast<double>(arm.same_top) / static_cast<double>(count);
  return out;
}

}  // namespace refocus
