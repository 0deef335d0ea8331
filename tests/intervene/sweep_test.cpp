// What --sweep expands to, and what it refuses.
#include "intervene/sweep.h"

#include <fmt/format.h>
#include <rapidcheck.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Texts = std::vector<std::string>;

Texts values(const std::string& text) { return parse_sweep({text}).axes.front().values; }

Texts expanded(const Texts& sweeps, const Texts& interventions = {}) {
  Texts out;
  for (const InterventionSpec& spec : expand_sweep(parse_sweep(sweeps), interventions)) {
    out.push_back(spec.canonical(4));
  }
  return out;
}

std::string error(const Texts& sweeps, const Texts& interventions = {}) {
  return testing::error_of([&] { expanded(sweeps, interventions); });
}

TEST(Sweep, RangesAreTheDecimalsThatAReaderWrites) {
  EXPECT_THAT(values("alpha=0:1:0.1"),
              ElementsAre("0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"));
  EXPECT_THAT(values("alpha=1:0:-0.5"), ElementsAre("0", "0.5", "1"));
  EXPECT_THAT(values("alpha=-0.2:0.2:0.2"), ElementsAre("-0.2", "0", "0.2"));
  EXPECT_THAT(values("alpha=0:1:0.3"), ElementsAre("0", "0.3", "0.6", "0.9")) << "steps do not meet the end";
  EXPECT_THAT(values("alpha=.5:.5:1"), ElementsAre("0.5"));
  EXPECT_THAT(values("depth=1:3:1"), ElementsAre("1", "2", "3"));
}

TEST(Sweep, ListsAndRangesMixAndAscend) {
  EXPECT_THAT(values("threshold=0.05,0.005,1e-2"), ElementsAre("0.005", "0.01", "0.05"));
  EXPECT_THAT(values("alpha=2,0:0.5:0.25,-0.0001"), ElementsAre("-0.0001", "0", "0.25", "0.5", "2"));
  EXPECT_THAT(values("depth=LAST,2,10"), ElementsAre("2", "10", "LAST"));
}

TEST(Sweep, EachInterventionTimesEachCombinationBehindNone) {
  EXPECT_THAT(expanded({"alpha=0,1"}),
              ElementsAre("none", "rebalance:alpha=0,threshold=0.01,depth=3,mode=mask",
                          "rebalance:alpha=1,threshold=0.01,depth=3,mode=mask"));
  EXPECT_THAT(expanded({"alpha=0,1", "mode=self,mask"}, {"rebalance:depth=2", "none"}),
              ElementsAre("none", "rebalance:alpha=0,threshold=0.01,depth=2,mode=mask",
                          "rebalance:alpha=1,threshold=0.01,depth=2,mode=mask",
                          "rebalance:alpha=0,threshold=0.01,depth=2,mode=self",
                          "rebalance:alpha=1,threshold=0.01,depth=2,mode=self"));
  EXPECT_EQ(expanded({"alpha=0,1"}, {"rebalance", "rebalance:mode=self"}).size(), 1u + 2 * 2);
  EXPECT_THAT(expanded({"depth=LAST"}),
              ElementsAre("none", "rebalance:alpha=0.2,threshold=0.01,depth=3,mode=mask"));
}

TEST(Sweep, TheOrderOfFlagsAndValuesDoesNotMatterForTheArms) {
  EXPECT_EQ(expanded({"threshold=0.1,0.2", "alpha=0:1:0.5", "mode=mask,self"}),
            expanded({"mode=self,mask", "alpha=1,0.5,0", "threshold=0.2,0.1"}));
}

TEST(Sweep, TheMainAxisIsAlphaOrTheFirstWithNumbers) {
  const auto main = [](const Texts& texts) { return parse_sweep(texts).axes.front().key; };
  EXPECT_EQ(main({"threshold=0.1", "mode=self", "alpha=1"}), "alpha");
  EXPECT_EQ(main({"mode=self", "depth=1", "threshold=0.1"}), "depth");
}

TEST(Sweep, RandomRangesAreComplete) {
  const bool passed = rc::check([] {
    const int places = *rc::gen::inRange(0, 7), count = *rc::gen::inRange(1, 150);
    const int begin = *rc::gen::inRange(-5000, 5000), step = *rc::gen::inRange(1, 300);
    const int past = *rc::gen::inRange(0, step);  // the end lies between the last value and the next
    const auto decimal = [&](long long units) {
      long long one = 1;
      for (int i = 0; i < places; ++i) one *= 10;
      const long long size = std::abs(units);
      return fmt::format("{}{}.{:0{}}", units < 0 ? "-" : "", size / one, size % one, std::max(1, places));
    };
    const long long last = begin + 1LL * step * (count - 1);
    const Texts got = values("alpha=" + decimal(begin) + ":" + decimal(last + past) + ":" + decimal(step));
    RC_ASSERT(got.size() == static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      double expected = 0, value = 0;  // what the decimal is, rounded once
      const std::string text = decimal(begin + 1LL * step * i);
      std::from_chars(text.data(), text.data() + text.size(), expected);
      std::from_chars(got[i].data(), got[i].data() + got[i].size(), value);
      RC_ASSERT(value == expected);
      RC_ASSERT(got[i].size() <= text.size());
    }
  });
  EXPECT_TRUE(passed);
}

TEST(Sweep, RandomProductsHaveEveryCombinationOnce) {
  EXPECT_TRUE(rc::check([] {
    const int alphas = *rc::gen::inRange(1, 8), thresholds = *rc::gen::inRange(1, 5),
              depths = *rc::gen::inRange(1, 4);
    const Texts arms =
        expanded({"threshold=0.1:0." + std::to_string(thresholds) + ":0.1",
                  "alpha=1:" + std::to_string(alphas) + ":1", "depth=1:" + std::to_string(depths) + ":1"});
    RC_ASSERT(arms.size() == static_cast<std::size_t>(1 + alphas * thresholds * depths));
    Texts sorted = arms;
    std::ranges::sort(sorted);
    RC_ASSERT(std::ranges::adjacent_find(sorted) == sorted.end());
  }));
}

TEST(Sweep, BadTextsAreRefusedInOneLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"alhpa=1", "expected rebalance's alpha, threshold, depth or mode, got 'alhpa'"},
      {"", "got ''"},
      {"alpha", "expected alpha=VALUES, such as alpha=0:0.5:0.1, got 'alpha'"},
      {"mode=", "expected mode=VALUES, such as mode=mask,self"},
      {"alpha=0,,1", "expected a value of alpha beside each comma"},
      {"alpha=0:1", "expected begin:end:step for a range of alpha, such as 0:1:0.1, got '0:1'"},
      {"alpha=0:1:0.1:2", "begin:end:step"},
      {"alpha=0:1:0", "expected a step that leads from 0 to 1 for alpha, got '0:1:0'"},
      {"alpha=0:1:-0.1", "expected a step that leads from 0 to 1"},
      {"alpha=1:0:0.1", "expected a step that leads from 1 to 0"},
      {"alpha=0:0:0", "expected a step"},
      {"alpha=0:1:0.0000000001", "at most nine places"},
      {"alpha=0:1e3:1", "decimals"},
      {"alpha=0:1:", "decimals"},
      {"alpha=0:nan:1", "decimals"},
      {"alpha=0:1:0.001", "expected at most 200 values of alpha, got 1001"},
      {"alpha=-999999999.999999999:999999999.999999999:0.000000001", "expected at most 200 values"},
      {"alpha=0.1,0.10", "expected each value of alpha once, got 0.1 twice"},
      {"alpha=0:1:0.5,0.5", "got 0.5 twice"},
      {"alpha=-0,0", "got 0 twice"},
      {"alpha=x", "expected a number for alpha, got 'x'"},
      {"threshold=0.5:1:0.5", "expected a threshold of at least 0 and below 1, got '1'"},
      {"depth=1:2:0.5", "expected a positive integer for depth (the last layer's index), got '1.5'"},
      {"mode=mask:self:1", "decimals"},
      {"mode=mask,self", "expected alpha, threshold or depth beside mode, got mode alone"},
  };
  for (const auto& [text, part] : cases) {
    EXPECT_THAT(error({text}), HasSubstr(part)) << text;
    EXPECT_TRUE(error({text}).starts_with("[--sweep] ")) << error({text});
  }
  EXPECT_THAT(error({"alpha=1", "alpha=2"}), HasSubstr("expected alpha in one --sweep"));
}

TEST(Sweep, WhatInterventionsSetAlreadyIsRefused) {
  EXPECT_THAT(error({"alpha=0,1"}, {"rebalance:mode=self,alpha=0.5"}),
              HasSubstr("expected alpha either swept or set by --intervene, got both"));
  EXPECT_NO_THROW(expanded({"alpha=0,1"}, {"rebalance:mode=self"}));
  EXPECT_THAT(error({"alpha=0,1"}, {"none"}), HasSubstr("got --intervene none alone"));
  for (const char* other : {"pasta:keys=bos", "rebalance+pasta:keys=bos", "zero+rebalance"}) {
    EXPECT_THAT(error({"alpha=0,1"}, {other}), HasSubstr("expected re-balancing alone to sweep")) << other;
  }
  EXPECT_THAT(error({"alpha=0,1"}, {"rebalanse"}), HasSubstr("[--intervene] expected none, rebalance"));
}

TEST(Sweep, TooManyArmsAreRefused) {
  EXPECT_EQ(expanded({"alpha=1:20:1", "depth=1:10:1"}).size(), 201u);
  EXPECT_THAT(error({"alpha=1:20:1", "depth=1:11:1"}), HasSubstr("expected at most 200 interventions"));
  EXPECT_THAT(error({"alpha=1:101:1"}, {"rebalance", "rebalance:mode=self"}), HasSubstr("at most 200"));
  EXPECT_THAT(error({"alpha=1:200:1", "depth=1:200:1", "threshold=0:0.199:0.001"}), HasSubstr("at most 200"));
}

}  // namespace
}  // namespace refocus
