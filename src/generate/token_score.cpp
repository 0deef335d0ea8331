#include "generate/token_score.h"

#include <algorithm>

#include "kernels/distribution.h"

namespace refocus {

TokenScore score_token(std::span<const float> logits, std::int32_t token, std::int64_t count) {
  const double log_sum = log_sum_exp(logits);
  TokenScore out{token, -negative_log_likelihood(logits, log_sum, token), {}};
  const auto wanted = static_cast<std::size_t>(std::clamp<std::int64_t>(count, 0, std::ssize(logits)));
  if (wanted == 0) return out;
  // A heap of the best so far, whose front is the least of them.
  const auto better = [&](std::int32_t a, std::int32_t b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  };
  std::vector<std::int32_t> best;
  for (std::int32_t i = 0; i < std::ssize(logits); ++i) {
    if (best.size() == wanted) {
      if (!better(i, best.front())) continue;
      std::ranges::pop_heap(best, better);
      best.pop_back();
    }
    best.push_back(i);
    std::ranges::push_heap(best, better);
  }
  std::ranges::sort(best, better);
  for (const std::int32_t i : best) out.top.push_back({i, -negative_log_likelihood(logits, log_sum, i)});
  return out;
}

}  // namespace refocus
