#include "heads/head_scale.h"

#include <cmath>

#include "stats/sign_flip.h"
#include "support.h"

namespace refocus {
namespace {

ArmAnswers log_odds(const std::vector<double>& values) {
  ArmAnswers out;
  for (const double value : values) {
    out.correct.push_back(value > 0);
    out.likelihood.push_back(value);
  }
  return out;
}

// Differences of 2, 1 and 3 where the prompts differ by 2, 2 and 8.
TEST(RecoveredScale, IsARatioOfMeans) {
  const RecoveredScale scale(log_odds({-1, -1, -4}), log_odds({1, 1, 4}));
  EXPECT_DOUBLE_EQ(scale.level(log_odds({1, 0, -1})), 0.5);  // 6 / 12; a mean of ratios were 0.625
  EXPECT_DOUBLE_EQ(scale.level(log_odds({-1, -1, -4})), 0);
  EXPECT_DOUBLE_EQ(scale.level(log_odds({1, 1, 4})), 1);
  EXPECT_LT(scale.level(log_odds({-2, -1, -4})), 0);
}

TEST(RecoveredScale, HasIntervalsOfTheRatio) {
  const ArmAnswers base = log_odds({-1, -2, -3, -4}), source = log_odds({1, 2, 5, 4});
  const RecoveredScale scale(base, source);
  // A quarter of each item's difference: whatever is drawn, the ratio is a quarter.
  const PairedEffect effect = scale.effect(base, log_odds({-0.5, -1, -1, -2}));
  EXPECT_DOUBLE_EQ(effect.difference, 0.25);
  ASSERT_TRUE(effect.interval.has_value());
  EXPECT_NEAR(effect.interval->low, 0.25, 1e-12);
  EXPECT_NEAR(effect.interval->high, 0.25, 1e-12);
  EXPECT_DOUBLE_EQ(effect.p, 2.0 / 16);  // all signs alike
  const PairedEffect mixed = scale.effect(base, log_odds({1, -3, 0, -4}));
  ASSERT_TRUE(mixed.interval.has_value());
  EXPECT_LT(mixed.interval->low, mixed.difference);
  EXPECT_GT(mixed.interval->high, mixed.difference);
  EXPECT_EQ(mixed.fixed, 1);
  EXPECT_EQ(mixed.broken, 0);
  // No difference, no interval.
  EXPECT_FALSE(scale.effect(base, base).interval.has_value());
  EXPECT_EQ(scale.effect(base, base).p, 1);
}

// Some resample of a difference that changes sign from item to item has the other sign.
TEST(RecoveredScale, HasNoIntervalOverADenominatorOfEitherSign) {
  const RecoveredScale scale(log_odds({-1, 1}), log_odds({2, 0}));
  EXPECT_FALSE(scale.effect(log_odds({-1, 1}), log_odds({0, 1})).interval.has_value());
}

TEST(RecoveredScale, ComparesWithRandomSets) {
  const ArmAnswers base = log_odds({-1, -1, -1, -1}), source = log_odds({1, 1, 1, 1});
  const RecoveredScale scale(base, source);
  const ArmAnswers set = log_odds({1, 0, 1, 0}), a = base, b = log_odds({0, -1, 0, 1});
  const ArmAnswers* draws[] = {&a, &b};
  const RandomEffect effect = scale.against_random(set, draws);
  EXPECT_DOUBLE_EQ(effect.low, 0);
  EXPECT_DOUBLE_EQ(effect.high, 0.5);
  EXPECT_DOUBLE_EQ(effect.mean, 0.25);
  EXPECT_DOUBLE_EQ(effect.beyond.difference, 0.5);  // 0.75 - 0.25
  EXPECT_DOUBLE_EQ(effect.rank_p, 1.0 / 3);
}

// Against all 2^n signs, of numbers that are no whole ones.
TEST(SignFlip, OfRoundedNumbersIsNearlyExact) {
  std::vector<double> d;
  for (int i = 0; i < 12; ++i) d.push_back(std::sin(1.7 * i) + 0.3);
  double sum = 0;
  for (const double one : d) sum += one;
  int as_far = 0;
  for (int signs = 0; signs < 1 << 12; ++signs) {
    double other = 0;
    for (std::size_t i = 0; i < d.size(); ++i) other += (signs >> i & 1) != 0 ? d[i] : -d[i];
    as_far += std::abs(other) >= std::abs(sum) - 1e-12;
  }
  const auto p = sign_flip_rounded_p(d);
  ASSERT_TRUE(p.has_value());
  EXPECT_NEAR(*p, as_far / 4096.0, 0.003);
  EXPECT_EQ(sign_flip_rounded_p(std::vector<double>{0, 0}), 1);
  EXPECT_FALSE(sign_flip_rounded_p(std::vector<double>(4000, 0.5)).has_value());
}

}  // namespace
}  // namespace refocus
