// What --sweep expands to, and what it refuses.
#include "intervene/grammar/sweep.h"

#include <fmt/format.h>
#include <rapidcheck.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/random.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Texts = std::vector<std::string>;

const SweepAxis& first_axis(const Sweep& sweep) { return sweep.families.front().axes.front(); }
SweepAxis axis(const std::string& text) { return first_axis(parse_sweep({text})); }
Texts values(const std::string& text) { return axis(text).values; }

Texts expanded(const Texts& sweeps, const Texts& interventions = {},
               std::optional<std::size_t> budget = std::nullopt) {
  Texts out;
  for (const NamedIntervention& arm :
       expand_sweep(parse_sweep(sweeps, budget), interventions).interventions()) {
    out.push_back(arm.spec.canonical(4));
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

TEST(Sweep, SeedsOfRandomMasks) {
  const std::string front = "rebalance:alpha=0.2,threshold=0.01,depth=3,mode=";
  EXPECT_THAT(expanded({"seed=0:2:1"}, {"rebalance:mode=random"}),
              ElementsAre("none", front + "random,seed=0", front + "random,seed=1", front + "random,seed=2"));
  EXPECT_THAT(expanded({"seed=2,1", "mode=random"}),
              ElementsAre("none", front + "random,seed=1", front + "random,seed=2"));
  EXPECT_THAT(expanded({"mode=random,mask"}, {"rebalance:seed=4"}),
              ElementsAre("none", front + "mask", front + "random,seed=4"));
  EXPECT_EQ(error({"seed=0,1"}),
            "[--sweep] expected seed to be swept with mode=random alone, got mode=mask; write mode=random in "
            "--intervene");
  EXPECT_THAT(error({"seed=0,1", "mode=mask,random"}), HasSubstr("with mode=random alone, got mode=mask"));
  EXPECT_THAT(error({"seed=0:1:0.5"}, {"rebalance:mode=random"}),
              HasSubstr("expected a whole number from 0 to 1000000000 for seed, got '0.5'"));
  EXPECT_THAT(error({"seed="}), HasSubstr("such as seed=0:9:1"));
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
  const auto main = [](const Texts& texts) { return first_axis(parse_sweep(texts)).key; };
  EXPECT_EQ(main({"threshold=0.1", "mode=self", "alpha=1"}), "alpha");
  EXPECT_EQ(main({"mode=self", "depth=1", "threshold=0.1"}), "depth");
  EXPECT_EQ(main({"boost:layers=0,1", "boost:factor=2,3"}), "factor");
  EXPECT_EQ(main({"mode=mask,self"}), "mode") << "texts where there are no numbers";
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
      {"alhpa=1", "expected rebalance's alpha, threshold, depth, mode or seed, got 'alhpa'"},
      {"", "got ''"},
      {"alpha", "expected alpha=VALUES, such as alpha=0:0.5:0.1, got 'alpha'"},
      {"mode=", "expected mode=VALUES, such as mode=mask,self,random"},
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
      {"mode=mask:self:1", "expected mode mask, self or random, got 'mask:self:1' (column 6)"},
      {"alpha=0,x", "got 'x' (column 9)"},
      {"factor=3", "got 'factor'; write scale:factor=VALUES or boost:factor=VALUES (column 1)"},
      {"bost:factor=3", "expected a method (rebalance, scale, pasta, boost, guide"},
      {"boost:alpha=3", "expected boost's factor, keys, layers, heads or rows, got 'alpha' (column 7)"},
      {"boost:factor=0,1", "expected a factor above 0, of at most 1000000, got '0' (column 14)"},
      {"boost:factor", "expected boost:factor=VALUES, such as boost:factor=0:0.5:0.1"},
      {"zero:layers=0-3,4x", "(column 17)"},
      {"zero:layers=0-3,0-3", "expected each value of layers once, got 0-3 twice"},
      {"boost:factor=3,5",
       "expected an --intervene with boost:keys= beside boost:factor, since keys has no default"},
      {"temperature:rows=prompt", "expected an --intervene with temperature:tau= beside temperature:rows"},
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
  EXPECT_THAT(
      error({"alpha=0,1"}, {"rebalance", "pasta:keys=bos"}),
      HasSubstr("expected rebalance to sweep in each intervention, got --intervene 'pasta:keys=bos'"));
  EXPECT_THAT(
      error({"alpha=0,1"}, {"rebalance+zero+rebalance:mode=self"}),
      HasSubstr("expected rebalance once in an intervention, so that it is known which is swept, got it 2"));
  EXPECT_THAT(error({"boost:factor=2"}, {"boost:factor=3,keys=text:\"a,factor=\""}),
              HasSubstr("expected boost:factor either swept or set"));
  EXPECT_NO_THROW(expanded({"boost:factor=2"}, {"boost:keys=text:\"a,factor=1\""})) << "within quotes";
  EXPECT_THAT(error({"temperature:tau=2", "boost:factor=2"}, {"temperature+boost:keys=bos"}),
              HasSubstr("expected temperature:tau= in 'temperature+boost:keys=bos', where boost is swept"));
  EXPECT_THAT(error({"alpha=0,1"}, {"rebalanse"}), HasSubstr("[--intervene] expected none, rebalance"));
}

TEST(Sweep, AnyKeyOfAnyMethodGoesToItsPart) {
  EXPECT_THAT(expanded({"temperature:tau=0.9,0.5"}),
              ElementsAre("none", "temperature:tau=0.5", "temperature:tau=0.9"));
  EXPECT_THAT(expanded({"boost:factor=1:5:2"}, {"nosink+boost:keys=field:question+zero:heads=1.0"}),
              ElementsAre("none", "nosink:keys=sinks:1+boost:factor=1,keys=field:question+zero:heads=1.0",
                          "nosink:keys=sinks:1+boost:factor=3,keys=field:question+zero:heads=1.0",
                          "nosink:keys=sinks:1+boost:factor=5,keys=field:question+zero:heads=1.0"));
  EXPECT_THAT(expanded({"temperature:tau=2"}, {"temperature:layers=1"}),
              ElementsAre("none", "temperature:tau=2,layers=1"))
      << "what is swept need not be set";
  EXPECT_EQ(axis("boost:factor=3").name(), "boost:factor");
  EXPECT_EQ(axis("rebalance:alpha=3").name(), "alpha");
  EXPECT_EQ(axis("rebalance:layers=3").name(), "rebalance:layers");
}

TEST(Sweep, TextsKeepTheirOrderAndCommasStandInQuotes) {
  EXPECT_THAT(values("zero:layers=2-3,0-1"), ElementsAre("2-3", "0-1"));
  EXPECT_THAT(values("boost:keys=text:\"a, b\",field:question|role:system"),
              ElementsAre("text:\"a, b\"", "field:question|role:system"));
  EXPECT_THAT(values("scale:renormalise=no,yes"), ElementsAre("yes", "no")) << "words in the method's order";
  EXPECT_THAT(
      expanded({"boost:rows=prompt,last", "boost:factor=2,3"}, {"boost:keys=bos"}),
      ElementsAre("none", "boost:factor=2,keys=bos,rows=prompt", "boost:factor=3,keys=bos,rows=prompt",
                  "boost:factor=2,keys=bos,rows=last", "boost:factor=3,keys=bos,rows=last"));
}

TEST(Sweep, MethodsAreTriedBesideEachOther) {
  const Texts given = {"boost:keys=bos", "pasta:keys=bos"};
  const Texts arms = expanded({"pasta:alpha=0.1,0.5", "boost:factor=2,3"}, given);
  EXPECT_THAT(arms, ElementsAre("none", "pasta:alpha=0.1,mode=exclude,variant=once,keys=bos",
                                "pasta:alpha=0.5,mode=exclude,variant=once,keys=bos",
                                "boost:factor=2,keys=bos", "boost:factor=3,keys=bos"));
  EXPECT_EQ(expanded({"boost:factor=3,2", "pasta:alpha=0.5,0.1"}, given), arms) << "in any order of flags";
  const ExpandedSweep sweep = expand_sweep(parse_sweep({"pasta:alpha=0.1,0.5,1", "boost:factor=2,3"}), given);
  EXPECT_EQ(sweep.points_of(0), 3u);
  EXPECT_EQ(sweep.points_of(1), 2u);
  EXPECT_EQ(expanded({"alpha=0,1", "temperature:tau=2,3"}, {"rebalance:mode=self"}).size(), 1u + 2 + 2)
      << "the method that no --intervene has gets its defaults";
}

TEST(Sweep, PointsOfAnInterventionWithANameHaveItBeforeTheirValues) {
  const ExpandedSweep sweep = expand_sweep(parse_sweep({"boost:factor=2,3", "boost:rows=prompt,last"}),
                                           {"base=none", "strong=boost:keys=bos", "boost:keys=sinks"});
  std::vector<std::string> names;
  for (const NamedIntervention& arm : sweep.interventions()) names.push_back(arm.name);
  EXPECT_THAT(names, ElementsAre("base", "strong:factor=2,rows=prompt", "strong:factor=3,rows=prompt",
                                 "strong:factor=2,rows=last", "strong:factor=3,rows=last", "", "", "", ""));
  EXPECT_THAT(error({"alpha=0,1"}, {"a=rebalance", "a=rebalance:mode=self"}),
              HasSubstr("expected a name for one arm, got a for two; rename one (column 1)"));
}

TEST(Sweep, ABudgetKeepsEvenStepsOfOneAxis) {
  const auto kept = [](const std::string& text, std::size_t budget) {
    Texts out;
    for (const std::string& arm : expanded({text}, {"boost:keys=bos"}, budget)) {
      if (arm != "none") out.push_back(arm.substr(13, arm.find(',') - 13));
    }
    return out;
  };
  EXPECT_THAT(kept("boost:factor=1:10:1", 10), ::testing::SizeIs(10));
  EXPECT_THAT(kept("boost:factor=1:10:1", 4), ElementsAre("1", "4", "7", "10"));
  EXPECT_THAT(kept("boost:factor=1:10:1", 5), ElementsAre("1", "3", "6", "8", "10")) << "2.25 each, rounded";
  EXPECT_THAT(kept("boost:factor=1:10:1", 2), ElementsAre("1", "10"));
  EXPECT_THAT(kept("boost:factor=1:10:1", 1), ElementsAre("5"));
}

TEST(Sweep, ABudgetOfAGridIsADrawOfItThatDoesNotChange) {
  const Texts sweeps = {"boost:factor=1:6:1", "boost:layers=0,1,2,3"}, given = {"boost:keys=bos"};
  const Texts all = expanded(sweeps, given), kept = expanded(sweeps, given, 7);
  ASSERT_EQ(kept.size(), 1u + 7);
  EXPECT_EQ(expanded({sweeps[1], sweeps[0]}, given, 7), kept);
  std::vector<std::uint32_t> places = shuffled(24, 0, 0);
  places.resize(7);
  std::ranges::sort(places);
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(kept[i + 1], all[places[i] + 1]) << i;
  const ExpandedSweep two = expand_sweep(parse_sweep({"boost:factor=1:6:1", "pasta:alpha=0.1,0.5,1"}, 3),
                                         {"boost:keys=bos", "pasta:keys=bos"});
  EXPECT_EQ(two.points_of(0), two.points_of(1)) << "methods have equal tries";
  EXPECT_EQ(two.grids, (std::vector<std::size_t>{3, 6}));
}

TEST(Sweep, TooManyArmsAreRefused) {
  EXPECT_EQ(expanded({"alpha=1:20:1", "depth=1:10:1"}).size(), 201u);
  EXPECT_THAT(error({"alpha=1:20:1", "depth=1:11:1"}), HasSubstr("expected at most 200 interventions"));
  EXPECT_THAT(error({"alpha=1:101:1"}, {"rebalance", "rebalance:mode=self"}), HasSubstr("at most 200"));
  EXPECT_THAT(error({"alpha=1:200:1", "depth=1:200:1", "threshold=0:0.199:0.001"}), HasSubstr("at most 200"));
  EXPECT_EQ(expanded({"alpha=1:200:1", "depth=1:200:1"}, {}, 50).size(), 51u) << "of 40,000";
}

}  // namespace
}  // namespace refocus
