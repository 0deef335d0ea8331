// Cross-entropy of one row of logits, and its gradient.
#pragma once

#include <cstdint>

namespace refocus {

// Returns -log softmax(logits)[target], target in [0, size). Where `gradient` is given, writes
// weight * (softmax(logits) - onehot(target)) there; it may be `logits`.
double cross_entropy(const float* logits, std::int64_t size, std::int64_t target, float weight,
                     float* gradient);

}  // namespace refocus
