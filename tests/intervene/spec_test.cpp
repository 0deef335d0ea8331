#include "intervene/spec.h"

#include "support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;

TEST(InterventionSpec, WritesEveryParameterOut) {
  EXPECT_EQ(parse_intervention("none").canonical(32), "none");
  EXPECT_EQ(parse_intervention("rebalance").canonical(32),
            "rebalance:alpha=0.2,threshold=0.01,depth=31,mode=mask");
  EXPECT_EQ(parse_intervention("rebalance:depth=31,alpha=0.50").canonical(40),
            "rebalance:alpha=0.5,threshold=0.01,depth=31,mode=mask");
  EXPECT_EQ(parse_intervention("rebalance:mode=self,depth=LAST").canonical(40),
            "rebalance:alpha=0.2,threshold=0.01,depth=39,mode=self");
  const std::string canonical = "rebalance:alpha=-0.1,threshold=0,depth=7,mode=mask";
  EXPECT_EQ(parse_intervention(canonical).canonical(99), canonical);
}

TEST(InterventionSpec, TheFactorDampsWithDepth) {
  RebalanceSpec spec;
  EXPECT_DOUBLE_EQ(spec.excess(1, 32), 0.2 * (1 - 1.0 / 31));
  EXPECT_DOUBLE_EQ(spec.excess(31, 32), 0);
  spec.depth = 31;
  EXPECT_LT(spec.excess(39, 40), 0);  // the published constant on a 40-layer model
}

TEST(InterventionSpec, KnowsTheFirstLayerThatTurnsNegative) {
  const auto first = [](const char* text, std::int64_t layers) {
    return parse_intervention(text).rebalance->first_negative_layer(layers);
  };
  EXPECT_EQ(first("rebalance", 4), std::nullopt);
  EXPECT_EQ(first("rebalance:alpha=-1.4", 4), std::nullopt);  // 1 - 1.4 * 2 / 3 = 0.07
  EXPECT_EQ(first("rebalance:alpha=-1.5", 4), std::nullopt) << "0 is not below 0";
  EXPECT_EQ(first("rebalance:alpha=-2", 4), 1);
  EXPECT_EQ(first("rebalance:alpha=2,depth=1", 4), 2) << "1 + 2 (1 - 2)";
  EXPECT_EQ(first("rebalance:depth=31,alpha=5", 40), 38);  // 1 - 5 * 7 / 31 = -0.13
  EXPECT_EQ(first("rebalance:depth=31,alpha=5", 38), std::nullopt);
  EXPECT_EQ(first("rebalance:alpha=-2", 1), std::nullopt) << "no later layer";
  RebalanceSpec spec;
  spec.alpha = -6;
  EXPECT_EQ(spec.factor(0, 4), 1);
  EXPECT_FLOAT_EQ(spec.factor(1, 4), -3);
  EXPECT_FLOAT_EQ(static_cast<float>(spec.largest_factor(4)), 3);
  EXPECT_EQ(RebalanceSpec().largest_factor(1), 1);
}

TEST(InterventionSpec, AlphaStaysWithinWhatFloatsCanMultiplyBy) {
  EXPECT_EQ(parse_intervention("rebalance:alpha=-1e6").canonical(2),
            "rebalance:alpha=-1000000,threshold=0.01,depth=1,mode=mask");
  EXPECT_EQ(parse_intervention("rebalance:alpha=-0,threshold=-0").canonical(2),
            "rebalance:alpha=0,threshold=0,depth=1,mode=mask");
  for (const char* alpha : {"1000000.5", "-1000001", "1e30", "1e308", "1e999", "inf", "-inf", "nan"}) {
    EXPECT_THROW(parse_intervention(std::string("rebalance:alpha=") + alpha), UsageError) << alpha;
  }
  EXPECT_EQ(testing::error_of([] { parse_intervention("rebalance:alpha=1e30"); }),
            "[--intervene] expected an alpha from -1000000 to 1000000, got '1e30'");
  EXPECT_EQ(testing::error_of([] { parse_intervention("rebalance:depth=1000001"); }),
            "[--intervene] expected a depth of at most 1000000 (the last layer's index), got '1000001'");
  for (const char* depth : {"0", "-1", "1000001", "nan"}) {
    EXPECT_THROW(parse_intervention(std::string("rebalance:depth=") + depth), UsageError) << depth;
  }
}

TEST(InterventionSpec, ErrorsListWhatIsKnown) {
  const auto error = [](const char* text) { return testing::error_of([&] { parse_intervention(text); }); };
  EXPECT_EQ(error("rebalanse"), "[--intervene] expected none or rebalance, got 'rebalanse'");
  EXPECT_EQ(error("rebalance:alpa=1"),
            "[--intervene] expected rebalance's alpha, threshold, depth or mode, got 'alpa'");
  EXPECT_THAT(error("rebalance:alpha=x"), HasSubstr("expected a number for alpha, got 'x'"));
  EXPECT_THAT(error("rebalance:alpha="), HasSubstr("expected a number for alpha, got ''"));
  EXPECT_THAT(error("rebalance:alpha=nan"), HasSubstr("expected a number"));
  EXPECT_THAT(error("rebalance:alpha"), HasSubstr("expected alpha=VALUE"));
  EXPECT_THAT(error("rebalance:alpha=1,alpha=2"), HasSubstr("expected alpha once"));
  EXPECT_THAT(error("rebalance:threshold=1"), HasSubstr("at least 0 and below 1"));
  EXPECT_THAT(error("rebalance:depth=0"), HasSubstr("positive integer"));
  EXPECT_THAT(error("rebalance:depth=1.5"), HasSubstr("positive integer"));
  EXPECT_THAT(error("rebalance:mode=both"), HasSubstr("mask or self"));
  EXPECT_THAT(error("rebalance:"), HasSubstr("expected key=value"));
  EXPECT_THAT(error("rebalance:,"), HasSubstr("expected key=value beside each comma"));
  EXPECT_THAT(error("none:alpha=1"), HasSubstr("no parameters"));
  EXPECT_THAT(error(""), HasSubstr("none or rebalance"));
  EXPECT_THROW(parse_intervention("x"), UsageError);
}

}  // namespace
}  // namespace refocus
