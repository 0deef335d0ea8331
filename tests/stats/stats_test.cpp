// src/stats against SciPy, statsmodels and NumPy (tests/golden/stats/make_goldens.py), and against cases that
// can be worked out by hand.
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "stats/bootstrap.h"
#include "stats/holm.h"
#include "stats/mcnemar.h"
#include "stats/mean_difference.h"
#include "stats/wilson.h"
#include "support.h"

namespace refocus {
namespace {

using Json = nlohmann::json;

constexpr double kTolerance = 1e-9;

Json golden_cases(const char* name) {
  std::ifstream in(testing::golden("stats") / "cases.json");
  const Json cases = Json::parse(in);
  EXPECT_FALSE(cases.at(name).empty());
  return cases.at(name);
}

TEST(Wilson, EqualsStatsmodels) {
  for (const Json& c : golden_cases("wilson")) {
    const Interval interval = wilson_interval(c["successes"], c["trials"], c["confidence"]);
    EXPECT_NEAR(interval.low, c["low"].get<double>(), kTolerance) << c;
    EXPECT_NEAR(interval.high, c["high"].get<double>(), kTolerance) << c;
  }
}

TEST(Wilson, StaysWithinZeroAndOne) {
  EXPECT_EQ(wilson_interval(0, 10).low, 0);
  EXPECT_GT(wilson_interval(0, 10).high, 0.2);
  EXPECT_EQ(wilson_interval(10, 10).high, 1);
  EXPECT_LT(wilson_interval(10, 10).low, 0.8);
}

void expect_difference(const MeanDifference& got, const Json& want) {
  EXPECT_NEAR(got.difference, want["difference"].get<double>(), kTolerance);
  ASSERT_TRUE(got.interval);
  EXPECT_NEAR(got.interval->low, want["low"].get<double>(), kTolerance);
  EXPECT_NEAR(got.interval->high, want["high"].get<double>(), kTolerance);
  EXPECT_NEAR(got.p, want["p"].get<double>(), kTolerance);
}

TEST(MeanDifference, EqualsScipy) {
  for (const Json& c : golden_cases("mean_difference")) {
    const std::vector<double> first = c["first"], second = c["second"];
    expect_difference(welch_difference(first, second), c["welch"]);
    const std::size_t pairs = std::min(first.size(), second.size());
    expect_difference(paired_difference(std::span(first).first(pairs), std::span(second).first(pairs)),
                      c["paired"]);
  }
}

TEST(MeanDifference, WithoutAnyVariation) {
  // Ten times 0.1 has a mean that is 0.1 but for a rounding: that is no spread.
  const std::vector<double> low(10, 0.1), high(10, 0.3), more(12, 0.3);
  for (const auto& test : {paired_difference, welch_difference}) {
    const MeanDifference apart = test(low, high), same = test(low, low);
    EXPECT_DOUBLE_EQ(apart.difference, 0.2);
    EXPECT_FALSE(apart.interval);
    EXPECT_EQ(same.difference, 0);
    EXPECT_FALSE(same.interval);
    EXPECT_EQ(same.p, 1);
  }
  EXPECT_DOUBLE_EQ(paired_difference(low, high).p, 2. / 1024);     // all ten signs one way or the other
  EXPECT_NEAR(welch_difference(low, high).p, 2. / 184756, 1e-15);  // 20 choose 10
  EXPECT_NEAR(welch_difference(low, more).p, 1. / 646646, 1e-15);  // 22 choose 10
  EXPECT_TRUE(welch_difference(low, std::vector<double>{1, 2, 3}).interval);  // one of them varies
}

TEST(McNemar, EqualsStatsmodels) {
  for (const Json& c : golden_cases("mcnemar")) {
    const double p = c["p"], got = mcnemar_exact_p(c["fixed"], c["broken"]);
    EXPECT_NEAR(got, p, kTolerance) << c;
    EXPECT_NEAR(got / p, 1, kTolerance) << c << ": small values too, relatively";
  }
}

TEST(McNemar, ByHand) {
  EXPECT_EQ(mcnemar_exact_p(0, 0), 1);
  EXPECT_EQ(mcnemar_exact_p(4, 4), 1);
  EXPECT_DOUBLE_EQ(mcnemar_exact_p(3, 0), 0.25);               // 2 / 2^3
  EXPECT_DOUBLE_EQ(mcnemar_exact_p(1, 4), 2 * (1 + 5) / 32.);  // 2 (C(5,0) + C(5,1)) / 2^5
  EXPECT_EQ(mcnemar_exact_p(7, 2), mcnemar_exact_p(2, 7));
}

TEST(Holm, EqualsStatsmodels) {
  for (const Json& c : golden_cases("holm")) {
    const std::vector<double> expected = c["adjusted"];
    const std::vector<double> got = holm_adjusted(c["p"].get<std::vector<double>>());
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], kTolerance) << c;
  }
}

std::vector<double> differences(const std::string& signs) {
  std::vector<double> out;
  for (const char c : signs) out.push_back(c == '+' ? 1 : c == '-' ? -1 : 0);
  return out;
}

TEST(Bootstrap, EqualsItsDefinitionInNumPy) {
  for (const Json& c : golden_cases("bootstrap")) {
    const std::vector<double> d = differences(c["differences"]), first = c["first_sums"];
    std::vector<double> sums = bootstrap_sums(d, c["resamples"], c["seed"]);
    ASSERT_EQ(static_cast<std::int64_t>(sums.size()), c["resamples"].get<std::int64_t>());
    sums.resize(first.size());
    EXPECT_EQ(sums, first);
    const auto interval = paired_bootstrap_interval(d, c["resamples"], c["seed"], c["confidence"]);
    ASSERT_EQ(interval.has_value(), d.size() > 1);
    if (!interval) continue;
    EXPECT_NEAR(interval->low, c["low"].get<double>(), kTolerance);
    EXPECT_NEAR(interval->high, c["high"].get<double>(), kTolerance);
  }
}

TEST(Bootstrap, SeedDecides) {
  const std::vector<double> d = differences("++--+000000000-0+00");
  EXPECT_EQ(bootstrap_sums(d, 50, 3), bootstrap_sums(d, 50, 3));
  EXPECT_NE(bootstrap_sums(d, 50, 3), bootstrap_sums(d, 50, 4));
}

TEST(Bootstrap, HasTheWidthThatTheoryGives) {
  // 1000 items, 150 fixed and 100 broken: mean 0.05, variance of the mean (0.25 - 0.0025) / 1000.
  const std::vector<double> d =
      differences(std::string(150, '+') + std::string(100, '-') + std::string(750, '0'));
  const double deviation = std::sqrt((0.25 - 0.0025) / 1000);
  const double slack = 0.05 * deviation + 0.001;  // chance, and a mean's step of 1/1000
  const Interval interval = paired_bootstrap_interval(d, 20000, 1).value();
  EXPECT_NEAR(interval.low, 0.05 - 1.96 * deviation, slack);
  EXPECT_NEAR(interval.high, 0.05 + 1.96 * deviation, slack);
}

TEST(Bootstrap, HasNoIntervalWhereAllDifferencesAreEqual) {
  for (const double d : {0.0, 0.25, -1.0}) {
    EXPECT_FALSE(paired_bootstrap_interval(std::vector<double>(20, d), 100, 0)) << d;
  }
  EXPECT_FALSE(paired_bootstrap_interval(std::vector<double>{0.5}, 100, 0));
  std::vector<double> one(20, 0.25);
  one.back() = 0.5;
  const Interval interval = paired_bootstrap_interval(one, 100, 0).value();
  EXPECT_LT(interval.low, interval.high);
}

TEST(Bootstrap, QuantilesLieBetweenNeighbours) {
  const std::vector<double> sorted = {0, 10, 20, 30, 40};
  EXPECT_DOUBLE_EQ(sorted_quantile(sorted, 0), 0);
  EXPECT_DOUBLE_EQ(sorted_quantile(sorted, 0.3), 12);
  EXPECT_DOUBLE_EQ(sorted_quantile(sorted, 1), 40);
}

}  // namespace
}  // namespace refocus
