// Groups of texts and the numbers of their comparison, on a study made by hand.
#include "study/study_comparison.h"

#include <cmath>

#include "stats/holm.h"
#include "study/study_summary.h"
#include "study_support.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using Question = StudyComparison::Question;

const StudyComparison& find(const Study& study, const std::vector<StudyComparison>& all,
                            const std::string& name) {
  for (const StudyComparison& comparison : all) {
    if (comparison_name(study, comparison) == name) return comparison;
  }
  throw std::runtime_error("no comparison " + name);
}

TEST(StudyComparison, ComparesWhatBelongsTogether) {
  const Study study = testing::study_by_hand(true);
  std::vector<std::string> names;
  for (const StudyComparison& comparison : compare_texts(study))
    names.push_back(comparison_name(study, comparison));
  EXPECT_THAT(
      names,
      ElementsAre("wrong_right-cot-none", "wrong_right-cot-rebalance", "wrong_right-direct-none",
                  "wrong_right-direct-rebalance", "direct_cot-none", "direct_cot-rebalance",
                  "intervention-cot-rebalance", "intervention-direct-rebalance", "before_after-cot-none",
                  "before_after-cot-rebalance", "before_after-direct-none", "before_after-direct-rebalance"));
}

TEST(StudyComparison, RightAgainstWrongByHand) {
  const Study study = testing::study_by_hand(false);
  const std::vector<StudyComparison> all = compare_texts(study);
  const StudyComparison& comparison = find(study, all, "wrong_right-cot-none");
  EXPECT_FALSE(comparison.paired);
  EXPECT_EQ(comparison.first.texts.size(), 16u);
  EXPECT_EQ(comparison.second.texts.size(), 24u);
  EXPECT_EQ(comparison.second.texts.front(), 16u);
  ASSERT_EQ(comparison.rows.size(), 18u);
  const StatisticDifference& row = comparison.rows[0];  // entropy, layer 0
  EXPECT_DOUBLE_EQ(row.first_mean, 5.5);
  EXPECT_DOUBLE_EQ(row.second_mean, 0.5);
  EXPECT_DOUBLE_EQ(row.difference.difference, -5);
  // Wrong are eight 5 and eight 6, right twelve 0 and twelve 1: variances 4/15 over 16 and 6/23 over 24, and
  // with so many degrees of freedom t(0.975) is a little above 2.
  const double error = std::sqrt(4.0 / 15 / 16 + 6.0 / 23 / 24);
  EXPECT_GT(row.difference.interval->high, -5 + 2.0 * error);
  EXPECT_LT(row.difference.interval->high, -5 + 2.1 * error);
  EXPECT_LT(row.difference.p, 1e-4);
  EXPECT_GE(row.p_holm, row.difference.p);
  std::vector<double> p;
  for (const StatisticDifference& r : comparison.rows) p.push_back(r.difference.p);
  EXPECT_GT(row.p_holm, row.difference.p) << "one of eighteen tests";
  for (std::size_t i = 0; i < p.size(); ++i) EXPECT_EQ(comparison.rows[i].p_holm, holm_adjusted(p)[i]) << i;
  const StatisticDifference& last = comparison.rows[8];  // row_sum, layer 0, without item 27
  EXPECT_EQ(last.first_texts, 16);
  EXPECT_EQ(last.second_texts, 23);
  EXPECT_DOUBLE_EQ(last.second_mean, 8 + 11.0 / 23);
}

TEST(StudyComparison, PairsItemsOfTwoArms) {
  const Study study = testing::study_by_hand(true);
  const std::vector<StudyComparison> all = compare_texts(study);
  const StudyComparison& prompts = find(study, all, "direct_cot-rebalance");
  EXPECT_TRUE(prompts.paired);
  EXPECT_DOUBLE_EQ(prompts.rows[0].difference.difference, -200);  // arm 3 to arm 1
  EXPECT_EQ(prompts.rows[8].first_texts, 39) << "item 27 has no value";
  EXPECT_DOUBLE_EQ(find(study, all, "intervention-cot-rebalance").rows[0].difference.difference, 100);
  const StudyComparison& models = find(study, all, "before_after-direct-none");
  EXPECT_DOUBLE_EQ(models.rows[0].first_mean + 3, models.rows[0].second_mean);
  EXPECT_DOUBLE_EQ(models.rows[0].difference.difference, 3);
  // Every pair differs by the same, so nothing says how far chance may reach; between unpaired texts it
  // would.
  EXPECT_FALSE(models.rows[0].difference.interval.has_value());
  EXPECT_NEAR(models.rows[0].difference.p, std::exp2(1 - models.rows[0].first_texts), 1e-15);
}

TEST(StudyComparison, AGroupOfFewerThanTenIsNotCompared) {
  Study study = testing::study_by_hand(false);
  for (StudiedText& text : study.arms[0].texts) text.correct = text.index >= 9;
  study.arms[1].texts[0].correct.reset();
  const std::vector<StudyComparison> all = compare_texts(study);
  EXPECT_TRUE(find(study, all, "wrong_right-cot-none").rows.empty());
  EXPECT_EQ(find(study, all, "wrong_right-cot-rebalance").first.texts.size(), 15u) << "unlabelled: left out";
}

TEST(StudyComparison, WhatTooFewTextsHaveIsCountedAndNotTested) {
  Study study = testing::study_by_hand(false);
  for (std::size_t i = 0; i < 40;
       ++i) {  // of the second arm 9 texts keep their entropy at layer 1, and none at 0
    std::vector<double>& values = study.arms[1].texts[i].attention.values;
    values[0] = NAN;
    if (i >= 9) values[9] = NAN;
  }
  const std::vector<StudyComparison> all = compare_texts(study);
  const StudyComparison& comparison = find(study, all, "intervention-cot-rebalance");
  ASSERT_EQ(comparison.rows.size(), 16u);
  ASSERT_EQ(comparison.missing.size(), 2u);
  EXPECT_EQ(comparison.missing[0].layer, 0);
  EXPECT_EQ(comparison.missing[0].first_texts, 0) << "pairs that both have";
  EXPECT_EQ(comparison.missing[1].layer, 1);
  EXPECT_EQ(comparison.missing[1].second_texts, 9);
  std::vector<double> p;
  for (const StatisticDifference& row : comparison.rows) {
    EXPECT_TRUE(std::isfinite(row.difference.p) && std::isfinite(row.difference.difference));
    p.push_back(row.difference.p);
  }
  for (std::size_t i = 0; i < p.size(); ++i) EXPECT_EQ(comparison.rows[i].p_holm, holm_adjusted(p)[i]);
  const ArmSummary summary = summarise(study, 1);
  EXPECT_EQ(summary.texts_with(study, 0, 0), 0);
  EXPECT_EQ(summary.texts_with(study, 1, 0), 9);
  EXPECT_TRUE(std::isnan(summary.mean(study, 0, 0)));
}

TEST(StudyComparison, TheShareOfNegativeWeightsIsShownAndNotTested) {
  Study study = testing::study_by_hand(false);
  study.statistics.back() = kMassNegativeName;
  ASSERT_TRUE(study.has_negative());
  for (const StudyComparison& comparison : compare_texts(study)) {
    EXPECT_EQ(comparison.rows.size(), 16u) << "eight statistics of two layers";
    for (const StatisticDifference& row : comparison.rows) EXPECT_NE(row.statistic, 8u);
  }
}

TEST(StudySummary, MeansLeaveOutWhatHasNoValue) {
  const Study study = testing::study_by_hand(false);
  const ArmSummary summary = summarise(study, 2);
  EXPECT_EQ(summary.labelled, 40);
  EXPECT_EQ(summary.right, 24);
  EXPECT_DOUBLE_EQ(summary.mean(study, 1, 0), 200 + 10 + 0.5 + 2);
  // 39 items: noise 1 in 19 of them, the sixteen wrong ones 5 more.
  EXPECT_DOUBLE_EQ(summary.mean(study, 0, 8), 200 + 8 + (19 + 80) / 39.0);
}

}  // namespace
}  // namespace refocus
