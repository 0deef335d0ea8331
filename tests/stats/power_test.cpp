// src/stats/power against SciPy (tests/golden/stats/make_goldens_power.py), a sum without recurrences, a
// simulation, and what holds of every design.
#include <rapidcheck.h>

#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "stats/mcnemar.h"
#include "stats/power.h"
#include "support.h"

namespace refocus {
namespace {

nlohmann::json power_cases(const char* name) {
  std::ifstream in(testing::golden("stats") / "power.json");
  const nlohmann::json cases = nlohmann::json::parse(in);
  EXPECT_GE(cases.at(name).size(), 16u);
  return cases.at(name);
}

TEST(Power, EqualsScipy) {
  for (const nlohmann::json& c : power_cases("power")) {
    EXPECT_NEAR(mcnemar_power(c["pairs"], c["changed"], c["difference"], c["level"]),
                c["power"].get<double>(), 1e-9)
        << c;
  }
}

TEST(Power, FindsTheDifferencesOfScipy) {
  for (const nlohmann::json& c : power_cases("difference")) {
    const TestAim aim{c["level"], c["aim"]};
    const std::optional<double> found = smallest_difference(c["pairs"], c["changed"], aim);
    ASSERT_EQ(found.has_value(), !c["difference"].is_null()) << c;
    if (!found) continue;
    EXPECT_NEAR(*found, c["difference"].get<double>(), 1e-9) << c;
    EXPECT_GE(mcnemar_power(c["pairs"], c["changed"], *found, aim.level), aim.power) << c;
  }
}

// Some of them lie among the teeth of a saw, where all pairs change or nearly all.
TEST(Power, NeedsThePairsThatCountingUpFinds) {
  for (const nlohmann::json& c : power_cases("pairs")) {
    EXPECT_EQ(pairs_needed(c["changed"], c["difference"], {c["level"], c["aim"]}),
              c["pairs"].get<std::int64_t>())
        << c;
  }
}

// Two tables of 5 and 6 changes in one direction: p = 0.0625 and 0.03125.
TEST(Power, IsWhatCanBeWorkedOutByHand) {
  EXPECT_EQ(mcnemar_power(5, 1, 1, 0.05), 0);
  EXPECT_EQ(mcnemar_power(6, 1, 1, 0.05), 1);
  EXPECT_EQ(mcnemar_power(5, 1, 1, 0.0625), 1) << "p is significant where it is the level";
  EXPECT_EQ(mcnemar_power(5, 1, 1, 0.0624), 0);
  EXPECT_NEAR(mcnemar_power(6, 1, 0, 0.05), 0.03125, 1e-15) << "of both directions";
  EXPECT_NEAR(mcnemar_power(6, 0.5, 0.5, 0.05), std::pow(0.5, 6), 1e-15);
  EXPECT_EQ(smallest_difference(5, 1, {}), std::nullopt);
  EXPECT_NEAR(*smallest_difference(6, 1, {0.05, 0.8}), 2 * std::pow(0.8, 1.0 / 6) - 1, 1e-4);
  EXPECT_EQ(pairs_needed(1, 1, {}), 6);
  EXPECT_EQ(pairs_needed(1, 1, {0.0625, 0.8}), 5);
  EXPECT_EQ(pairs_needed(0.5, 1e-4, {}), std::nullopt) << "4e8 pairs";
}

// With so many pairs that a recurrence takes thousands of steps.
TEST(Power, EqualsASumOfIncompleteBetaFunctions) {
  const std::int64_t pairs = 200'000;
  const double changed = 0.1, difference = 0.0016, level = 0.01;
  const boost::math::binomial changes(static_cast<double>(pairs), changed);
  double sum = 0;
  std::int64_t c = 9000;
  for (std::int64_t m = 19'000; m <= 21'000; ++m) {
    while (mcnemar_exact_p(c + 1, m - c - 1) <= level) ++c;
    const boost::math::binomial fixed(static_cast<double>(m), (1 + difference / changed) / 2);
    sum += pdf(changes, static_cast<double>(m)) *
           (cdf(fixed, static_cast<double>(c)) + cdf(complement(fixed, static_cast<double>(m - c - 1))));
  }
  EXPECT_GT(sum, 0.1);
  EXPECT_LT(sum, 0.9);
  EXPECT_NEAR(mcnemar_power(pairs, changed, difference, level), sum, 1e-9);
}

TEST(Power, IsTheShareOfSimulatedRunsThatAreSignificant) {
  std::mt19937_64 random(22);
  const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  const int runs = 20'000, pairs = 200;
  const double changed = 0.15, difference = 0.07;
  int found = 0;
  for (int run = 0; run < runs; ++run) {
    int fixed = 0, broken = 0;
    for (int pair = 0; pair < pairs; ++pair) {
      const double u = uniform();
      fixed += u < (changed + difference) / 2;
      broken += u >= (changed + difference) / 2 && u < changed;
    }
    found += mcnemar_exact_p(fixed, broken) <= 0.05;
  }
  const double power = mcnemar_power(pairs, changed, difference, 0.05);
  const double error = std::sqrt(power * (1 - power) / runs);
  EXPECT_NEAR(static_cast<double>(found) / runs, power, 4 * error);
}

struct Design {
  std::int64_t pairs = 1;
  double changed = 1, level = 0.05;
};

Design any_design() {
  return {*rc::gen::inRange<std::int64_t>(1, 2000), *rc::gen::inRange(1, 1001) / 1000.0,
          *rc::gen::element(0.05, 0.01, 0.25, 1e-6)};
}

TEST(Power, RisesWithTheDifferenceAndIsTheSameInBothDirections) {
  EXPECT_TRUE(rc::check([] {
    const Design d = any_design();
    const auto power = [&](int share) {
      return mcnemar_power(d.pairs, d.changed, d.changed * share / 100.0, d.level);
    };
    const int low = *rc::gen::inRange(0, 100), high = *rc::gen::inRange(low + 1, 101);
    RC_ASSERT(power(low) <= power(high) + 1e-12);
    RC_ASSERT(std::fabs(power(high) - power(-high)) < 1e-12);
    RC_ASSERT(power(0) <= d.level + 1e-12);
  }));
}

TEST(Power, OfFewerPairsThanNeededIsTooLow) {
  EXPECT_TRUE(rc::check([] {
    const double changed = *rc::gen::inRange(1, 11) / 10.0;
    const double difference = changed * *rc::gen::inRange(3, 11) / 10.0;
    const std::optional<std::int64_t> pairs = pairs_needed(changed, difference, {});
    RC_ASSERT(pairs.has_value());
    RC_ASSERT(mcnemar_power(*pairs, changed, difference, 0.05) >= 0.8 - 1e-12);
    for (std::int64_t n = std::max<std::int64_t>(1, *pairs - 200); n < *pairs; ++n)
      RC_ASSERT(mcnemar_power(n, changed, difference, 0.05) < 0.8);
  }));
}

}  // namespace
}  // namespace refocus
