// refocus power as a process: tables of designs, and what the pairs of a finished run could show.
#include "stats/power.h"
#include "cli/cli_support.h"
#include "eval/toy_run.h"
#include "stats/wilson.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

ProcessResult run_power(const Arguments& more) { return testing::refocus(testing::plus({"power"}, more)); }

TEST(PowerOfDesigns, IsATableOfTheSmallestDifferences) {
  const ProcessResult result = run_power({"--items", "100,1000,14042", "--changed", "0.01,0.05,0.2"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  // SciPy (tests/golden/stats/power.json): 0.127725, 0.008893, 0.020346, 0.040410, ..., rounded up.
  EXPECT_EQ(result.out,
            "The smallest difference of accuracies, in points, that McNemar's exact test would find\n"
            "(80% power, p <= 0.05), where so many items become right or wrong:\n"
            "\n"
            " items      1%      5%     20%\n"
            "   100       -       -   12.78\n"
            " 1,000    0.89    2.04    4.05\n"
            "14,042    0.25    0.54    1.07\n"
            "\n"
            "-  not found even where all that changes changes in one direction: more has to be asked\n");
  const Json one = testing::one_json_line(run_power({"--items", "1000", "--changed", "0.05", "--json"}));
  EXPECT_EQ(one["designs"].size(), 1u);
  EXPECT_NEAR(one["designs"][0]["smallest_difference"].get<double>(), 0.020346144248096817, 1e-9);
  EXPECT_EQ(one["level"], 0.05);
  EXPECT_EQ(one["power"], 0.8);
  EXPECT_THAT(run_power({"--items", "1000", "--changed", "0.05"}).out, Not(HasSubstr("-  not found")));
  EXPECT_THAT(run_power({"--items", "10000000", "--changed", "0.2"}).out,
              HasSubstr("\n10,000,000   0.0397\n"));
}

TEST(PowerOfDesigns, IsATableOfItemsNeeded) {
  const ProcessResult result = run_power({"--difference", "2,5", "--changed", "0.05,0.02"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out,
              HasSubstr("\npoints      5%      2%\n     2   1,035     394\n     5     157       -\n"));
  EXPECT_THAT(result.out, HasSubstr("\n-  a difference cannot exceed the share that changes"));
  const Json strict = testing::one_json_line(
      run_power({"--difference", "2", "--changed", "0.05", "--power", "0.9", "--level", "0.01", "--json"}));
  EXPECT_EQ(strict["designs"][0]["items_needed"], 1885);
  const Json none =
      testing::one_json_line(run_power({"--difference", "2,0.001", "--changed", "0.05,0.01", "--json"}));
  EXPECT_TRUE(none["designs"][1]["items_needed"].is_null()) << "2 points of 1%";
  EXPECT_TRUE(none["designs"][2]["items_needed"].is_null()) << "more than are looked at";
  // As large as the share: 0.9 / 100 is rounded to a little more than 0.009.
  const Json whole =
      testing::one_json_line(run_power({"--difference", "0.9", "--changed", "0.009", "--json"}));
  EXPECT_EQ(whole["designs"][0]["items_needed"], *pairs_needed(0.009, 0.009, {}));
}

TEST(PowerOfDesigns, HoldsEachOfSeveralTestsToItsPartOfTheLevel) {
  const Arguments design = {"--difference", "2", "--changed", "0.05", "--power", "0.9", "--json"};
  const auto items = [&](const Arguments& more) {
    return testing::one_json_line(run_power(testing::plus(design, more)))["designs"][0]["items_needed"];
  };
  EXPECT_EQ(items({"--tests", "5"}), items({"--level", "0.01"}));
  EXPECT_EQ(items({"--tests", "5"}), 1885);
  EXPECT_THAT(run_power({"--items", "1000", "--changed", "0.05", "--tests", "20"}).out,
              HasSubstr("(80% power, p <= 0.05 / 20 tests = 0.0025, by Bonferroni's bound)"));
}

TEST(PowerOfDesigns, RefusesInOneLine) {
  expect_failure(run_power({}), 2, {"[--changed]", "0.02,0.05,0.2", "RUN_DIR"});
  expect_failure(run_power({"--changed", "0.05"}), 2, {"either --items or --difference, got none"});
  expect_failure(run_power({"--changed", "0.05", "--items", "9", "--difference", "1"}), 2, {"got both"});
  expect_failure(run_power({"--changed", "0.05,0.02", "--difference", "7"}), 2,
                 {"at most 5 points", "got 7", "larger --changed"});
  expect_failure(run_power({"--changed", "0", "--items", "9"}), 2, {"--changed: expected a number", "'0'"});
  expect_failure(run_power({"--changed", "0.1", "--items", "0"}), 2, {"--items: expected a whole number"});
  expect_failure(run_power({"--changed", "0.1", "--items", "9", "--level", "1"}), 2, {"--level"});
  expect_failure(run_power({"--changed", "0.1", "nowhere"}), 2, {"[--changed]", "no RUN_DIR", "'nowhere'"});
  expect_failure(run_power({"nowhere", "--items", "1,2"}), 2, {"[--items]", "one number", "got 2"});
  expect_failure(run_power({"nowhere"}), 1, {"nowhere/run.json"});
}

// 300 items, of which 30 are fixed and 10 broken; and a pair in which nothing changes.
class PowerOfARun : public ::testing::Test {
 protected:
  PowerOfARun() {
    const std::string before = std::string(30, 'A') + std::string(270, 'B');
    const std::string after = std::string(30, 'B') + std::string(10, 'A') + std::string(260, 'B');
    toy.tasks = {testing::toy_mmlu({{"anatomy", 300}})};
    toy.arms = {{PromptKind::kDirect, "none", {{"anatomy", before}}},
                {PromptKind::kDirect, "rebalance:alpha=1", {{"anatomy", after}}},
                {PromptKind::kDirect, "rebalance:alpha=2", {{"anatomy", before}}}};
    testing::write_toy_run(run, toy);
  }
  TempDir dir;
  const fs::path run = dir / "run";
  testing::ToyRun toy;
};

TEST_F(PowerOfARun, IsOfTheShareThatChanged) {
  const Json all = testing::one_json_line(run_power({run.string(), "--json"}));
  ASSERT_EQ(all["pairs"].size(), 2u);
  const Json& pair = all["pairs"][0];
  EXPECT_EQ(pair["task"], "mmlu");
  EXPECT_EQ(pair["baseline"], "direct-none");
  EXPECT_EQ(pair["arm"], "direct-rebalance_alpha=1");
  EXPECT_EQ(pair["n"], 300);
  EXPECT_EQ(pair["changed"], 40);
  const Interval share = wilson_interval(40, 300);
  for (const auto& [name, changed] :
       {std::pair{"observed", 40.0 / 300}, std::pair{"low", share.low}, std::pair{"high", share.high}}) {
    const Json& numbers = pair[name];
    EXPECT_EQ(numbers["changed"], changed) << name;
    EXPECT_EQ(numbers["smallest_difference"], *smallest_difference(300, changed, {})) << name;
    EXPECT_EQ(numbers["items_needed"][0]["difference"], 0.01);
    EXPECT_EQ(numbers["items_needed"][0]["items"], *pairs_needed(changed, 0.01, {})) << name;
    EXPECT_EQ(numbers["items_needed"][1]["items"], *pairs_needed(changed, 0.02, {})) << name;
  }
  const Json more =
      testing::one_json_line(run_power({run.string(), "--items", "5000", "--tests", "3", "--json"}));
  EXPECT_EQ(more["pairs"][0]["items"], 5000);
  EXPECT_EQ(more["pairs"][0]["observed"]["smallest_difference"],
            *smallest_difference(5000, 40.0 / 300, {0.05 / 3, 0.8}));
}

TEST_F(PowerOfARun, SaysThatNothingChanged) {
  const Json none = testing::one_json_line(run_power({run.string(), "--json"}))["pairs"][1];
  EXPECT_EQ(none["changed"], 0);
  EXPECT_TRUE(none["observed"]["smallest_difference"].is_null());
  EXPECT_TRUE(none["observed"]["items_needed"][0]["items"].is_null());
  const ProcessResult text = run_power({run.string()});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("  arm                  direct-rebalance_alpha=1\n"
                                  "  items                300, of which 40 changed\n"
                                  "  share changed        13.33% [9.95, 17.65]\n"));
  EXPECT_THAT(text.out, HasSubstr("  items                300, of which 0 changed\n"
                                  "  share changed        0.00% [0.00, 1.26]\n"
                                  "  smallest difference  - [-, -] points\n"));
  EXPECT_THAT(text.out, HasSubstr("\n-  so few items change"));
  EXPECT_THAT(run_power({run.string(), "--items", "5000"}).out, HasSubstr("] points with 5,000 items\n"));
}

TEST_F(PowerOfARun, NeedsRightAnswersAndTwoArms) {
  testing::ToyRun unlabelled = toy;
  for (Item& item : unlabelled.tasks[0].items) item.label.reset();
  testing::write_toy_run(dir / "unlabelled", unlabelled);
  expect_failure(run_power({(dir / "unlabelled").string()}), 1, {"[power]", "nothing is scored"});
  toy.arms.resize(1);
  testing::write_toy_run(dir / "one", toy);
  expect_failure(run_power({(dir / "one").string()}), 1, {"one (direct-none)"});
}

}  // namespace
}  // namespace refocus
