// Choosing the next token from logits: greedy, or sampled with temperature, top-k, top-p and min-p.
//
// A draw depends on (seed, stream, step) only, so a sequence's tokens do not change with what is generated
// beside it, and a generation that is cut short and taken up again goes on as if nothing had happened.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace refocus {

struct SamplingOptions {
  double temperature = 0;  // 0: greedy, the first of the largest logits
  std::int64_t top_k = 0;  // keeps the k largest; 0: all
  double top_p = 1;        // keeps the fewest largest whose probabilities reach p (Holtzman et al. 2020)
  double min_p = 0;        // drops those below min_p times the largest probability (Nguyen et al. 2024)
  std::uint64_t seed = 0;
};

class Sampler {
 public:
  // `stream` tells sequences of one seed apart.
  Sampler(const SamplingOptions& options, std::uint64_t stream) : options_(options), stream_(stream) {}

  // The token at `step` (0 for the first generated one). Logits are finite. Filters apply in the order
  // temperature, top-k, top-p, min-p; at least one token is always kept.
  std::int32_t choose(std::span<const float> logits, std::uint64_t step);

 private:
  struct Candidate {
    std::int32_t token;
    double weight;  // logit at first, then probability up to a constant factor
  };

  void keep_largest(std::span<const float> logits);
  void keep_probable();

  SamplingOptions options_;
  std::uint64_t stream_;
  std::vector<Candidate> candidates_;  // largest first
};

// A number in [0, 1) that depends on its arguments only.
double uniform_draw(std::uint64_t seed, std::uint64_t stream, std::uint64_t step);

}  // namespace refocus
