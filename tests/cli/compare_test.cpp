// refocus compare as a process, and what an evaluation of several arms leaves behind.
#include "cli/cli_support.h"
#include "eval/toy_run.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;
using testing::ProcessResult;
using testing::TempDir;
using testing::ToyRun;
namespace fs = std::filesystem;

class Compare : public ::testing::Test {
 protected:
  void SetUp() override {
    toy.tasks = {testing::toy_mmlu({{"anatomy", 5}, {"philosophy", 2}})};
    toy.arms = {{PromptKind::kCot, "none", {{"anatomy", "ABBAB"}, {"philosophy", "B?"}}},
                {PromptKind::kCot, "rebalance:alpha=1", {{"anatomy", "BBACB"}, {"philosophy", "BB"}}},
                {PromptKind::kDirect, "none", {{"anatomy", "BBBBB"}, {"philosophy", "BB"}}}};
    testing::write_toy_run(run, toy);
  }
  ProcessResult compare(const Arguments& more) const {
    return testing::refocus(testing::plus({"compare"}, more));
  }
  TempDir dir;
  const fs::path run = dir / "run";
  ToyRun toy;
};

TEST_F(Compare, PrintsTablesAndFlipsWhereAskedFor) {
  const ProcessResult plain = compare({run.string()});
  EXPECT_EQ(plain.status, 0) << plain.err;
  EXPECT_THAT(plain.out, HasSubstr("mmlu: 3 arms; accuracy in % with 95% interval (Wilson)\n"));
  EXPECT_THAT(plain.out, HasSubstr("  baseline  cot-none\n  arm       cot-rebalance_alpha=1\n"));
  EXPECT_THAT(plain.out, HasSubstr("  baseline  direct-none\n  arm       cot-none\n"));
  EXPECT_THAT(plain.out, Not(HasSubstr("->")));
  EXPECT_EQ(plain.err, "");
  const ProcessResult flips = compare({run.string(), "--flips"});
  EXPECT_EQ(flips.out, plain.out +
                           "mmlu: cot-rebalance_alpha=1 against cot-none: 2 fixed, 1 broken\n"
                           "  fixed   anatomy 0: right B, A -> B\n"
                           "  broken  anatomy 2: right B, B -> A\n"
                           "  fixed   philosophy 1: right B, - -> B\n"
                           "\n"
                           "mmlu: cot-none against direct-none: 0 fixed, 3 broken\n"
                           "  broken  anatomy 0: right B, B -> A\n"
                           "  broken  anatomy 3: right B, B -> A\n"
                           "  broken  philosophy 1: right B, B -> -\n"
                           "\n");
  EXPECT_THAT(compare({run.string(), "--responses"}).out, HasSubstr("    | B because of direct-none\n"));
}

TEST_F(Compare, JsonIsOneObjectAndTheSeedIsInIt) {
  const Json file =
      testing::one_json_line(compare({run.string(), "--json", "--seed", "18446744073709551615"}));
  EXPECT_EQ(file["seed"].get<std::uint64_t>(), 18446744073709551615u);
  EXPECT_EQ(file["tasks"][0]["comparisons"].size(), 2u);
  EXPECT_EQ(file["tasks"][0]["comparisons"][0]["flips"].size(), 3u);
  const Json with = testing::one_json_line(compare({run.string(), "--json", "--responses"}));
  EXPECT_EQ(with["tasks"][0]["comparisons"][1]["flips"][0]["arm_response"], "A because of cot-none");
}

TEST_F(Compare, AnotherBaselineAndASecondRun) {
  const ProcessResult other = compare({run.string(), "--baseline", "direct-none", "--flips"});
  EXPECT_THAT(other.out, HasSubstr("mmlu: cot-rebalance_alpha=1 against direct-none: 0 fixed, 2 broken\n"));
  EXPECT_THAT(other.out, Not(HasSubstr("against cot-none")));
  toy.arms.erase(toy.arms.begin() + 1, toy.arms.end());
  toy.arms[0].answers["anatomy"] = "ABBBB";
  testing::write_toy_run(dir / "second", toy);
  const std::string second = (dir / "second").string();
  const ProcessResult two = compare({run.string(), second, "--flips"});
  EXPECT_EQ(two.status, 0) << two.err;
  EXPECT_THAT(two.out, HasSubstr("mmlu: cot-none of " + second + " against cot-none of " + run.string() +
                                 ": 1 fixed, 0 broken\n  fixed   anatomy 3: right B, A -> B\n"));
  const Json file = testing::one_json_line(compare({run.string(), second, "--json"}));
  EXPECT_EQ(file["runs"], Json({run.string(), second}));
}

TEST_F(Compare, WritesACsv) {
  const fs::path csv = dir / "table.csv";
  EXPECT_EQ(compare({run.string(), "--csv", csv.string()}).status, 0);
  const std::string text = file_text(csv);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1 + 2 * 6);
  EXPECT_TRUE(text.starts_with("task,set,kind,category,baseline,arm,n,baseline_accuracy,"));
}

TEST_F(Compare, RefusesInOneLine) {
  expect_failure(compare({}), 2, {"compare --help"});
  expect_failure(compare({run.string(), run.string(), run.string()}), 2,
                 {"one run or two, got 3", "--across"});
  expect_failure(compare({run.string(), "--seed", "-1"}), 2, {"--seed", "whole number"});
  expect_failure(compare({run.string(), "--baseline", "cot-x"}), 2,
                 {"--baseline", "cot-none, cot-reb", "'cot-x'"});
  expect_failure(compare({(dir / "nowhere").string()}), 1, {"nowhere/run.json", "give a run directory"});
  expect_failure(compare({run.string(), "--csv", (dir / "no/such/file.csv").string()}), 1, {"file.csv"});
  fs::remove(run / "arms/direct-none/results_refocus.json");
  expect_failure(compare({run.string(), "--json"}), 1, {"direct-none", "repeat the eval command"});
}

TEST_F(Compare, AnEvaluationOfSeveralArmsEndsWithIt) {
  REFOCUS_NEEDS_SHARED(testing::kSmallModel);
  const fs::path data = testing::write_tasks(dir / "data"), real = dir / "real";
  Arguments arguments = testing::eval_arguments(data, real,
                                                {"mmlu", "piqa", "--intervene", "none", "--intervene",
                                                 "rebalance:alpha=1,mode=self", "--max-new-tokens", "8"});
  const ProcessResult eval = testing::refocus(arguments);
  ASSERT_EQ(eval.status, 0) << eval.err;
  EXPECT_THAT(eval.out, HasSubstr("mmlu: paired differences in points with 95% interval"));
  EXPECT_THAT(eval.out, HasSubstr("piqa: paired differences in points with 95% interval"));
  const std::string kept = file_text(real / "comparison.json");
  const Json file = Json::parse(kept);
  EXPECT_EQ(file, testing::one_json_line(compare({real.string(), "--json"})));
  EXPECT_EQ(file["tasks"][0]["sets"].back()["arms"][0]["n"], 8);
  EXPECT_EQ(file["tasks"][1]["sets"][0]["set"], "physicaliqa");
  // Other rules read the kept answers anew, and the comparison with them.
  testing::write_file(real / "comparison.json.tmp123", "left over");
  EXPECT_EQ(testing::refocus(testing::plus(arguments, {"--rules", "published"})).status, 0);
  EXPECT_EQ(Json::parse(file_text(real / "comparison.json"))["extraction"], "published");
  EXPECT_FALSE(fs::exists(real / "comparison.json.tmp123"));
  EXPECT_EQ(testing::refocus(arguments).status, 0);
  EXPECT_EQ(file_text(real / "comparison.json"), kept);
}

TEST_F(Compare, AnEvaluationOfOneArmHasNone) {
  REFOCUS_NEEDS_SHARED(testing::kSmallModel);
  const fs::path data = testing::write_tasks(dir / "data"), real = dir / "real";
  const ProcessResult eval =
      testing::refocus(testing::eval_arguments(data, real, {"piqa", "--max-new-tokens", "4"}));
  EXPECT_EQ(eval.status, 0) << eval.err;
  EXPECT_FALSE(fs::exists(real / "comparison.json"));
  expect_failure(compare({real.string()}), 1, {"one (cot-none)"});
}

}  // namespace
}  // namespace refocus
