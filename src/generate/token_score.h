// How probable a model found a token, and which it found most probable there.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace refocus {

struct TokenScore {
  struct Candidate {
    std::int32_t token;
    double logprob;  // nats
  };
  std::int32_t token = 0;
  double logprob = 0;          // log p(token | what is before it), in nats
  std::vector<Candidate> top;  // the most probable first; of equal ones the smaller id
};

// Of a row of logits, [vocab] finite numbers: the score of `token`, with the `count` most probable beside it.
// In double, from kernels/distribution.h.
TokenScore score_token(std::span<const float> logits, std::int32_t token, std::int64_t count);

}  // namespace refocus
