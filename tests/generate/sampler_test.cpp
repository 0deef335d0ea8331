// Sampling against the probabilities it stands for; every draw comes from a fixed seed.
#include "generate/sampler.h"

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;

const std::vector<float> kLogits = {1.0f, -0.5f, 2.0f, 0.0f, 1.5f, -2.0f, 0.7f, 1.9f};

std::vector<double> softmax(const std::vector<float>& logits, double temperature) {
  std::vector<double> p;
  double sum = 0;
  for (const float logit : logits) sum += p.emplace_back(std::exp(logit / temperature));
  for (double& value : p) value /= sum;
  return p;
}

std::map<std::int32_t, int> draw(const SamplingOptions& options, const std::vector<float>& logits,
                                 int draws) {
  Sampler sampler(options, 3);
  std::map<std::int32_t, int> counts;
  for (int step = 0; step < draws; ++step) ++counts[sampler.choose(logits, static_cast<std::uint64_t>(step))];
  return counts;
}

std::set<std::int32_t> kept(const SamplingOptions& options, const std::vector<float>& logits = kLogits) {
  std::set<std::int32_t> tokens;
  for (const auto& [token, count] : draw(options, logits, 4000)) tokens.insert(token);
  return tokens;
}

double chi_square(const std::map<std::int32_t, int>& counts, const std::vector<double>& p, int draws) {
  double sum = 0;
  for (std::size_t t = 0; t < p.size(); ++t) {
    if (p[t] == 0) continue;
    const auto it = counts.find(static_cast<std::int32_t>(t));
    const double expected = p[t] * draws, seen = it == counts.end() ? 0 : it->second;
    sum += (seen - expected) * (seen - expected) / expected;
  }
  return sum;
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  Sampler sampler({}, 0);
  EXPECT_EQ(sampler.choose(kLogits, 0), 2);
  const std::vector<float> ties = {0, 5, 1, 5, 5};
  EXPECT_EQ(sampler.choose(ties, 9), 1);
  const std::vector<float> one = {-7};
  EXPECT_EQ(sampler.choose(one, 0), 0);
}

TEST(Sampler, FrequenciesFollowTheProbabilities) {
  constexpr int kDraws = 40000;
  constexpr double kCritical = 29.9;  // chi-square with 7 degrees of freedom, p = 0.0001
  for (const double temperature : {0.5, 1.0, 2.5}) {
    for (const std::uint64_t seed : {0u, 1u, 77u}) {
      const auto counts = draw({.temperature = temperature, .seed = seed}, kLogits, kDraws);
      EXPECT_LT(chi_square(counts, softmax(kLogits, temperature), kDraws), kCritical)
          << temperature << " " << seed;
      EXPECT_GT(chi_square(counts, softmax(kLogits, temperature * 1.2), kDraws), kCritical)
          << "the test must tell temperatures apart";
    }
  }
}

TEST(Sampler, FrequenciesAmongTheKeptAreRenormalised) {
  constexpr int kDraws = 40000;
  std::vector<double> p = softmax(kLogits, 1);
  double sum = 0;
  for (const int t : {2, 7, 4}) sum += p[static_cast<std::size_t>(t)];
  for (std::size_t t = 0; t < p.size(); ++t) p[t] = t == 2 || t == 7 || t == 4 ? p[t] / sum : 0;
  EXPECT_LT(chi_square(draw({.temperature = 1, .top_k = 3}, kLogits, kDraws), p, kDraws), 18.5);  // 2 degrees
}

TEST(Sampler, TopKKeepsTheLargestAndTiesByTokenId) {
  EXPECT_THAT(kept({.temperature = 1, .top_k = 1}), ElementsAre(2));
  EXPECT_THAT(kept({.temperature = 1, .top_k = 3}), ElementsAre(2, 4, 7));
  EXPECT_EQ(kept({.temperature = 1, .top_k = 8}).size(), 8u);
  EXPECT_EQ(kept({.temperature = 1, .top_k = 100}).size(), 8u);
  EXPECT_EQ(kept({.temperature = 1, .top_k = 0}).size(), 8u);
  EXPECT_THAT(kept({.temperature = 1, .top_k = 2}, {1, 1, 1, 1}), ElementsAre(0, 1));
}

TEST(Sampler, TopPKeepsTheFewestThatReachP) {
  const std::vector<float> logits = {std::log(0.1f), std::log(0.4f), std::log(0.2f), std::log(0.3f)};
  EXPECT_THAT(kept({.temperature = 1, .top_p = 0}, logits), ElementsAre(1));
  EXPECT_THAT(kept({.temperature = 1, .top_p = 0.39}, logits), ElementsAre(1));
  EXPECT_THAT(kept({.temperature = 1, .top_p = 0.45}, logits), ElementsAre(1, 3));
  EXPECT_THAT(kept({.temperature = 1, .top_p = 0.69}, logits), ElementsAre(1, 3));
  EXPECT_THAT(kept({.temperature = 1, .top_p = 0.75}, logits), ElementsAre(1, 2, 3));
  EXPECT_THAT(kept({.temperature = 1, .top_p = 1}, logits), ElementsAre(0, 1, 2, 3));
}

TEST(Sampler, TopPCountsAfterTemperature) {
  const std::vector<float> logits = {std::log(0.6f), std::log(0.3f), std::log(0.1f)};
  EXPECT_THAT(kept({.temperature = 1, .top_p = 0.65}, logits), ElementsAre(0, 1));
  EXPECT_THAT(kept({.temperature = 0.5, .top_p = 0.65}, logits), ElementsAre(0));  // 0.36 / 0.46 = 0.78
  EXPECT_THAT(kept({.temperature = 4, .top_p = 0.65}, logits), ElementsAre(0, 1));
}

TEST(Sampler, MinPDropsTheImprobable) {
  const std::vector<float> logits = {std::log(0.1f), std::log(0.4f), std::log(0.2f), std::log(0.3f)};
  EXPECT_THAT(kept({.temperature = 1, .min_p = 0.6}, logits), ElementsAre(1, 3));  // 0.3 / 0.4 = 0.75
  EXPECT_THAT(kept({.temperature = 1, .min_p = 0.45}, logits), ElementsAre(1, 2, 3));
  EXPECT_THAT(kept({.temperature = 1, .min_p = 1}, logits), ElementsAre(1));
  EXPECT_THAT(kept({.temperature = 1, .min_p = 1}, {1, 2, 2}), ElementsAre(1, 2));
  EXPECT_EQ(kept({.temperature = 1, .min_p = 0}, logits).size(), 4u);
}

TEST(Sampler, FiltersApplyOneAfterTheOther) {
  const std::vector<float> logits = {std::log(0.1f), std::log(0.4f), std::log(0.2f), std::log(0.3f)};
  // Of the two largest, 0.4 / 0.7 = 0.571 and 0.429.
  EXPECT_THAT(kept({.temperature = 1, .top_k = 2, .top_p = 0.56}, logits), ElementsAre(1));
  EXPECT_THAT(kept({.temperature = 1, .top_k = 2, .top_p = 0.58}, logits), ElementsAre(1, 3));
  EXPECT_THAT(kept({.temperature = 1, .top_k = 3, .top_p = 1, .min_p = 0.6}, logits), ElementsAre(1, 3));
}

TEST(Sampler, LargeLogitsAndSmallTemperaturesStayFinite) {
  const std::vector<float> logits = {3e38f, -3e38f, 3e38f};
  EXPECT_THAT(kept({.temperature = 1e-6}, logits), ElementsAre(0, 2));
  EXPECT_EQ(kept({.temperature = 1e6}, {0, 1, 2, 3}).size(), 4u);
}

TEST(Sampler, ADrawDependsOnSeedStreamAndStepAlone) {
  const SamplingOptions options{.temperature = 1, .seed = 5};
  Sampler a(options, 1), b(options, 1), other_stream(options, 2),
      other_seed({.temperature = 1, .seed = 6}, 1);
  std::vector<std::int32_t> forward, backward, streamed, seeded;
  for (std::uint64_t step = 0; step < 64; ++step) {
    forward.push_back(a.choose(kLogits, step));
    backward.insert(backward.begin(), b.choose(kLogits, 63 - step));
    streamed.push_back(other_stream.choose(kLogits, step));
    seeded.push_back(other_seed.choose(kLogits, step));
  }
  EXPECT_EQ(forward, backward);
  EXPECT_NE(forward, streamed);
  EXPECT_NE(forward, seeded);
}

TEST(Sampler, DrawsAreUniform) {
  constexpr int kBins = 50, kDraws = 50000;
  for (const std::uint64_t seed : {0u, 1u, 12345u}) {
    std::map<std::int32_t, int> by_step, by_stream;
    for (int i = 0; i < kDraws; ++i) {
      const double u = uniform_draw(seed, 0, static_cast<std::uint64_t>(i));
      const double v = uniform_draw(seed, static_cast<std::uint64_t>(i), 0);
      ASSERT_TRUE(u >= 0 && u < 1 && v >= 0 && v < 1);
      ++by_step[static_cast<std::int32_t>(u * kBins)];
      ++by_stream[static_cast<std::int32_t>(v * kBins)];
    }
    const std::vector<double> uniform(kBins, 1.0 / kBins);
    EXPECT_LT(chi_square(by_step, uniform, kDraws), 94.0);  // 49 degrees of freedom, p = 0.0001
    EXPECT_LT(chi_square(by_stream, uniform, kDraws), 94.0);
  }
}

}  // namespace
}  // namespace refocus
