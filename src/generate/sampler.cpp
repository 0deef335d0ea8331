#include "generate/sampler.h"

#include <algorithm>
#include <cmath>

#include "kernels/argmax.h"

namespace refocus {

namespace {

// The finaliser of SplitMix64 (Steele et al. 2014).
std::uint64_t mix(std::uint64_t z) {
  z += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

double uniform_draw(std::uint64_t seed, std::uint64_t stream, std::uint64_t step) {
  return static_cast<double>(mix(mix(mix(seed) ^ stream) ^ step) >> 11) * 0x1p-53;
}

// Fills candidates_ with the top-k, largest first, equals by token id.
void Sampler::keep_largest(std::span<const float> logits) {
  candidates_.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) candidates_[i] = {static_cast<std::int32_t>(i), logits[i]};
  const auto larger = [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
  };
  const bool some = options_.top_k > 0 && options_.top_k < static_cast<std::int64_t>(candidates_.size());
  if (some) {
    const auto end = candidates_.begin() + options_.top_k;
    std::nth_element(candidates_.begin(), end, candidates_.end(), larger);
    candidates_.erase(end, candidates_.end());
  }
  std::sort(candidates_.begin(), candidates_.end(), larger);
}

// Turns logits into probabilities and drops the tail that top-p and min-p refuse.
void Sampler::keep_probable() {
  const double top = candidates_.front().weight;
  double sum = 0;
  for (Candidate& c : candidates_) sum += c.weight = std::exp((c.weight - top) / options_.temperature);
  std::size_t keep = candidates_.size();
  double reached = 0;
  for (std::size_t i = 0; i < keep; ++i) {
    reached += candidates_[i].weight;
    if (reached >= options_.top_p * sum) keep = i + 1;
  }
  while (keep > 1 && candidates_[keep - 1].weight < options_.min_p) --keep;  // the largest weight is 1
  candidates_.resize(keep);
}

std::int32_t Sampler::choose(std::span<const float> logits, std::uint64_t step) {
  if (options_.temperature <= 0) {
    return static_cast<std::int32_t>(argmax(logits.data(), static_cast<std::int64_t>(logits.size())));
  }
  keep_largest(logits);
  keep_probable();
  double sum = 0;
  for (const Candidate& c : candidates_) sum += c.weight;
  double left = uniform_draw(options_.seed, stream_, step) * sum;
  for (const Candidate& c : candidates_) {
    left -= c.weight;
    if (left < 0) return c.token;
  }
  return candidates_.back().token;
}

}  // namespace refocus
