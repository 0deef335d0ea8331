// What is measured of single rows whose weights an intervention made negative, by hand and within bounds.
#include "analyze/row_statistics.h"

#include <cmath>
#include <numbers>
#include <random>

#include "kernels/matmul.h"
#include "support.h"

namespace refocus {
namespace {

// A row after `weights`, of keys of one class, against layer 0's row `layer0`; keys of M exceed 0.1 there.
RowValues measure(const std::vector<float>& weights, const std::vector<float>& layer0,
                  std::int64_t window = 2) {
  const auto keys = std::ssize(weights);
  const auto padded_copy = [&](std::vector<float> row) {
    row.resize(static_cast<std::size_t>(padded(keys)));
    return row;
  };
  const std::vector<float> after = padded_copy(weights), first = padded_copy(layer0);
  const std::vector<std::int32_t> classes(after.size(), 0);
  const KeyClasses key_classes = prepare_classes(classes.data(), keys);
  std::vector<std::int32_t> mask;
  for (std::int32_t j = 0; j + 1 < keys; ++j) {
    if (first[static_cast<std::size_t>(j)] > 0.1f) mask.push_back(j);
  }
  CapturedRow row;
  row.position = keys - 1;
  row.before = row.after = row.layer0 = first.data();
  row.mask = mask;
  Layer0Row of_layer0;
  measure_row(row, {window, 0.1f}, key_classes, {}, of_layer0);
  row.layer = 1;
  row.after = after.data();
  row.rewritten = true;
  row.negative = any_negative(after.data(), keys);
  SignedRow parts;
  if (row.negative) parts.split(after.data(), keys);
  return measure_row(row, {window, 0.1f}, key_classes, parts, of_layer0);
}

TEST(RowStatistics, SharesAreOfSizesWhereWeightsAreNegative) {
  // Sizes 0.5, 0.25, 0.25 of 1; the sum is 0.
  const RowValues got = measure({-0.5f, 0.25f, 0.25f}, {0.5f, 0.25f, 0.25f});
  EXPECT_NEAR(got[kEntropy], 1.5 * std::numbers::ln2, 1e-7);
  EXPECT_DOUBLE_EQ(got[kMassFirst], 0.5);
  EXPECT_DOUBLE_EQ(got[kMassSelf], 0.25);
  EXPECT_DOUBLE_EQ(got[kMassPrevious], 0.25);
  EXPECT_DOUBLE_EQ(got[kMassWindow], 0.5);
  EXPECT_DOUBLE_EQ(got[kMassOfClass], 1);
  EXPECT_DOUBLE_EQ(got[kMassNegative], 0.5);
  EXPECT_DOUBLE_EQ(got[kRowSum], 0) << "signs count here";
  EXPECT_DOUBLE_EQ(got[kMassMaskBefore], 0.75);
  EXPECT_DOUBLE_EQ(got[kMassMaskAfter], -0.25) << "and here";
  // M is {0, 1}, and T is {1}: key 0 takes away.
  EXPECT_DOUBLE_EQ(got[kJaccardLayer0], 0.5);
  // Half of each row's share lies on other outcomes, (key 0, -) and (key 0, +); the rest is the same.
  EXPECT_NEAR(got[kDivergenceLayer0], 0.5 * std::numbers::ln2, 1e-7);
}

TEST(RowStatistics, ATurnedRowIsAsFarFromLayer0AsCanBe) {
  const std::vector<float> row = {0.5f, 0.3f, 0.2f};
  const RowValues same = measure({1, 0.6f, 0.4f}, row), turned = measure({-1, -0.6f, -0.4f}, row);
  EXPECT_NEAR(same[kDivergenceLayer0], 0, 1e-7);
  EXPECT_NEAR(turned[kDivergenceLayer0], std::numbers::ln2, 1e-7);
  EXPECT_EQ(same[kJaccardLayer0], 1);
  EXPECT_EQ(turned[kJaccardLayer0], 0);
  EXPECT_NEAR(turned[kEntropy], same[kEntropy], 1e-7) << "as spread out as before";
  EXPECT_EQ(turned[kMassNegative], 1);
  EXPECT_NEAR(turned[kRowSum], -2, 1e-6);
}

TEST(RowStatistics, ARowOfZerosHasNoShares) {
  const RowValues got = measure({0, 0, 0}, {0.5f, 0.3f, 0.2f});
  for (std::size_t s = 0; s < kRowStatistics; ++s) {
    EXPECT_EQ(std::isnan(got[s]), is_of_shares(s)) << row_statistic_name(s);
  }
  EXPECT_EQ(got[kRowSum], 0);
  EXPECT_EQ(got[kMaskSize], 2);
  EXPECT_EQ(got[kMassMaskAfter], 0);
  EXPECT_NEAR(got[kMassMaskBefore], 0.8, 1e-6);
}

TEST(RowStatistics, WhatFloatsCannotDivideByCountsAsZeros) {
  for (const float tiny : {1e-40f, -1e-44f}) {
    const RowValues got = measure({0, 0, tiny}, {0.5f, 0.3f, 0.2f});
    EXPECT_TRUE(std::isnan(got[kEntropy]) && std::isnan(got[kDivergenceLayer0]) &&
                std::isnan(got[kMassSelf]));
  }
  const RowValues got = measure({0, 0, -1e-37f}, {0.5f, 0.3f, 0.2f});
  EXPECT_NEAR(got[kMassSelf], 1, 1e-6);
  EXPECT_GE(got[kDivergenceLayer0], 0);
  EXPECT_NEAR(got[kDivergenceLayer0], std::numbers::ln2, 1e-6);
}

TEST(RowStatistics, KeepWithinTheBoundsOfTheirDefinitionsWhateverTheSigns) {
  std::mt19937 engine(17);
  std::uniform_real_distribution<float> uniform(0, 1);
  int negative = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    const std::size_t keys = 1 + engine() % 90;
    const float factor = -std::pow(10.0f, 6 * uniform(engine) - 3), spread = 12 * uniform(engine);
    std::vector<float> before(keys), layer0(keys);
    for (std::vector<float>* row : {&before, &layer0}) {
      float sum = 0;
      for (float& w : *row) sum += w = std::exp(spread * uniform(engine));
      for (float& w : *row) w /= sum;
    }
    const bool all = trial % 3 == 0;
    for (std::size_t j = 0; j < keys; ++j) {
      if (all || layer0[j] > 0.1f) before[j] *= factor;
    }
    const RowValues got = measure(before, layer0, 8);
    if (!(got[kMassNegative] > 0)) continue;
    ++negative;
    const auto within = [&](std::size_t s, double low, double high) {
      ASSERT_GE(got[s], low) << row_statistic_name(s) << " of " << keys << " keys";
      ASSERT_LE(got[s], high) << row_statistic_name(s) << " of " << keys << " keys";
    };
    within(kEntropy, 0, std::log(static_cast<double>(keys)));
    within(kDivergenceLayer0, 0, std::numbers::ln2);
    for (std::size_t s = kMassFirst; s <= kMassNonSemantic; ++s) within(s, 0, 1);
    within(kJaccardLayer0, 0, 1);
    within(kMassNegative, 0, 1);
  }
  EXPECT_GT(negative, 1500);
}

}  // namespace
}  // namespace refocus
