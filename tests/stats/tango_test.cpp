// src/stats/tango against SciPy (tests/golden/stats/make_goldens_tango.py), published examples, and what
// holds of every table.
#include <rapidcheck.h>

#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "stats/tango.h"
#include "support.h"

namespace refocus {
namespace {

TEST(Tango, EqualsScipy) {
  std::ifstream in(testing::golden("stats") / "tango.json");
  const nlohmann::json cases = nlohmann::json::parse(in);
  EXPECT_GT(cases.size(), 50u);
  for (const nlohmann::json& c : cases) {
    const Interval interval = tango_interval(c["fixed"], c["broken"], c["pairs"], c["confidence"]);
    EXPECT_NEAR(interval.low, c["low"].get<double>(), 1e-9) << c;
    EXPECT_NEAR(interval.high, c["high"].get<double>(), 1e-9) << c;
  }
}

// Airway hyper-responsiveness of 21 children, Fagerland, Lydersen and Laake (2014): -0.517 to -0.026.
TEST(Tango, EqualsThePublishedExample) {
  const Interval interval = tango_interval(1, 7, 21);
  EXPECT_NEAR(interval.low, -0.517, 0.0005);
  EXPECT_NEAR(interval.high, -0.026, 0.0005);
}

TEST(Tango, HasAWidthWhereNothingChanged) {
  const double z = 1.959963984540054;
  for (const std::int64_t n : {1, 10, 630, 14042}) {
    const Interval interval = tango_interval(0, 0, n);
    EXPECT_NEAR(interval.high, z * z / (static_cast<double>(n) + z * z), 1e-12) << n;
    EXPECT_EQ(interval.low, -interval.high) << n;
  }
}

TEST(Tango, EndsAtOneWhereEverythingChanged) {
  EXPECT_EQ(tango_interval(7, 0, 7).high, 1);
  EXPECT_EQ(tango_interval(0, 7, 7).low, -1);
  EXPECT_GT(tango_interval(7, 0, 7).low, 0);
}

struct Table {
  std::int64_t fixed = 0, broken = 0, pairs = 1;
};

Table any_table() {
  const auto pairs = *rc::gen::inRange<std::int64_t>(1, 3000);
  const auto changed = *rc::gen::inRange<std::int64_t>(0, pairs + 1);
  const auto fixed = *rc::gen::inRange<std::int64_t>(0, changed + 1);
  return {fixed, changed - fixed, pairs};
}

TEST(Tango, HoldsTheEstimateWithinItsBounds) {
  EXPECT_TRUE(rc::check([] {
    const Table t = any_table();
    const Interval interval = tango_interval(t.fixed, t.broken, t.pairs);
    const double estimate = static_cast<double>(t.fixed - t.broken) / static_cast<double>(t.pairs);
    RC_ASSERT(-1 <= interval.low && interval.low <= estimate);
    RC_ASSERT(estimate <= interval.high && interval.high <= 1);
    RC_ASSERT(interval.low < interval.high);
  }));
}

TEST(Tango, IsMirroredWhereArmsAreExchanged) {
  EXPECT_TRUE(rc::check([] {
    const Table t = any_table();
    const Interval one = tango_interval(t.fixed, t.broken, t.pairs),
                   other = tango_interval(t.broken, t.fixed, t.pairs);
    RC_ASSERT(one.low == -other.high);
    RC_ASSERT(one.high == -other.low);
  }));
}

TEST(Tango, RisesWithWhatIsFixedAndNarrowsWithConfidence) {
  EXPECT_TRUE(rc::check([] {
    const Table t = any_table();
    RC_PRE(t.fixed + t.broken < t.pairs);
    const Interval fewer = tango_interval(t.fixed, t.broken, t.pairs);
    const Interval more = tango_interval(t.fixed + 1, t.broken, t.pairs);
    RC_ASSERT(fewer.low < more.low);
    RC_ASSERT(fewer.high <= more.high);
    const Interval narrow = tango_interval(t.fixed, t.broken, t.pairs, 0.8);
    RC_ASSERT(fewer.low <= narrow.low && narrow.high <= fewer.high);
  }));
}

TEST(Tango, LeavesZeroOutJustWhereTheScoreTestRejects) {
  EXPECT_TRUE(rc::check([] {
    const Table t = any_table();
    RC_PRE(t.fixed + t.broken > 0);
    const double score = std::fabs(static_cast<double>(t.fixed - t.broken)) /
                         std::sqrt(static_cast<double>(t.fixed + t.broken));
    const double p = 2 * cdf(complement(boost::math::normal(), score));
    const Interval interval = tango_interval(t.fixed, t.broken, t.pairs);
    RC_ASSERT((interval.low > 0 || interval.high < 0) == (p < 0.05));
  }));
}

}  // namespace
}  // namespace refocus
