// --dry-run of eval, study, heads and train: what would be asked and what it takes, and nothing is kept.
#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using ::testing::ContainsRegex;
using testing::expect_failure;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

class DryRun : public ::testing::Test {
 protected:
  DryRun() {
    fs::create_directories(home / "models");
    fs::create_directory_symlink(testing::bundled_model(), home / "models/small-worlds");
    fs::create_directories(home / "data/worlds/test");
    fs::create_directories(work);
    write_file(
        home / "data/worlds/test/keys_test.csv",
        "Who?,Ann,Bob,Cy,Di,B\nWhere is the key of the house?,in,on,by,at,C\nWhen?,one,two,six,ten,A\n");
    write_file(home / "data/worlds/categories.json", R"({"keys":"stem"})");
  }
  ProcessResult run(const Arguments& more) {
    return testing::refocus(plus({"eval", "--dry-run", "--max-new-tokens", "4"}, more),
                            {.directory = work, .home = home.string()});
  }
  TempDir dir;
  const fs::path home = fs::canonical(dir.path()) / "home", work = fs::canonical(dir.path()) / "work";
};

TEST_F(DryRun, ShowsPromptsCountsMemoryAndTime) {
  const ProcessResult result =
      run({"--cot", "--direct", "--intervene", "none", "--intervene", "strong=rebalance"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Dry run of worlds: 3 items, 4 arms, 12 answers; nothing is kept\n"));
  EXPECT_THAT(result.out, HasSubstr("First prompt of cot-none, cot-strong (keys item 0), "));
  EXPECT_THAT(result.out, HasSubstr("\n<s> Who?\nA. Ann\nB. Bob\nC. Cy\nD. Di\nAnalysis:\n---"));
  EXPECT_THAT(result.out, HasSubstr("First prompt of direct-none, direct-strong (keys item 0), "));
  EXPECT_THAT(result.out, ContainsRegex("\ncot-none +3 +[0-9]+ "));
  EXPECT_THAT(result.out,
              HasSubstr("\nCould show: with 3 items, no difference where 20% of them or fewer become "
                        "right or wrong (80% power, p <= 0.05)\n\nMemory"));
  EXPECT_THAT(result.out,
              ContainsRegex("\nMemory: weights 3 MB, keys and values up to [0-9,]+ MB, about [0-9,]+ MB"));
  EXPECT_THAT(result.out, ContainsRegex("\nTime: about [0-9]"));
  EXPECT_THAT(result.out, HasSubstr("  cot-strong: 3 questions measured, "));
  EXPECT_TRUE(fs::is_empty(work)) << "nothing is written";
}

// 1,000 items: the differences of tests/golden/stats/power.json.
TEST_F(DryRun, SaysWhichDifferenceCouldBeShown) {
  std::string items;
  for (int i = 0; i < 1000; ++i) items += "Who?,Ann,Bob,Cy,Di,B\n";
  write_file(home / "data/worlds/test/keys_test.csv", items);
  const ProcessResult two = run({"--direct", "--intervene", "none", "--intervene", "rebalance"});
  ASSERT_EQ(two.status, 0) << two.err;
  EXPECT_THAT(two.out,
              HasSubstr("\nCould show: with 1,000 items, a difference of 2.04 points where 5% of them become "
                        "right or wrong, 4.05 where 20% do (80% power, p <= 0.05)\n"));
  write_file(home / "data/worlds/test/keys_test.csv", items.substr(0, items.size() / 10));
  EXPECT_THAT(
      run({"--direct", "--intervene", "none", "--intervene", "rebalance"}).out,
      HasSubstr("with 100 items, a difference of 12.78 points where 20% of them become right or wrong, "
                "none where 5% do"));
  for (const Arguments& more : {Arguments{"--direct"}, {"--direct", "--cot", "--shard", "1/2"}})
    EXPECT_THAT(run(more).out, Not(HasSubstr("Could show")));
}

// The prompt is the one that a run asks, and its tokens are counted as there.
TEST_F(DryRun, ShowsThePromptOfTheRun) {
  const ProcessResult dry = run({"--direct"});
  ASSERT_EQ(dry.status, 0) << dry.err;
  const ProcessResult real = testing::refocus({"eval", "--max-new-tokens", "4", "--direct", "-o", "run"},
                                              {.directory = work, .home = home.string()});
  ASSERT_EQ(real.status, 0) << real.err;
  const auto samples = testing::json_lines(work / "run/arms/direct-none/samples_worlds_keys_refocus.jsonl");
  const std::string prompt = samples.front()["arguments"]["gen_args_0"]["arg_0"];
  EXPECT_THAT(dry.out, HasSubstr("\n<s> " + prompt + "\n---"));
  const std::string asked =
      testing::refocus({"tokenize", "-p", prompt}, {.directory = work, .home = home.string()}).out;
  const auto tokens = std::count(asked.begin(), asked.end(), ',') + 1;
  EXPECT_THAT(dry.out, HasSubstr("(keys item 0), " + std::to_string(tokens) + " tokens"));
}

TEST_F(DryRun, ShowsTheOptionsOfLikelihoods) {
  const ProcessResult result = run({"--loglikelihood"});
  EXPECT_EQ(result.status, 2) << "--max-new-tokens is of texts";
  const ProcessResult scored =
      testing::refocus({"eval", "--dry-run", "--loglikelihood"}, {.directory = work, .home = home.string()});
  ASSERT_EQ(scored.status, 0) << scored.err;
  EXPECT_THAT(scored.out, HasSubstr("  goes on with 'A'\n"));
  EXPECT_THAT(scored.out, HasSubstr("tokens of prompts and options a second"));
  EXPECT_TRUE(fs::is_empty(work));
}

TEST_F(DryRun, OfAShardCountsItsPartAlone) {
  std::int64_t items = 0;
  for (const char* shard : {"1/2", "2/2"}) {
    const ProcessResult result = run({"--direct", "--shard", shard});
    ASSERT_EQ(result.status, 0) << result.err;
    const std::size_t at = result.out.find("Dry run of worlds: ") + 19;
    items += std::stoi(result.out.substr(at));
  }
  EXPECT_EQ(items, 3);
  EXPECT_TRUE(fs::is_empty(work));
}

TEST_F(DryRun, OfAStudyTellsWhatLookingTakes) {
  const auto study = [&](const Arguments& more) {
    return testing::refocus(
        plus({"study", "--dry-run", "--direct", "--max-new-tokens", "4", "-o", "out"}, more),
        {.directory = work, .home = home.string()});
  };
  const ProcessResult result = study({"--intervene", "none", "--intervene", "rebalance"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Dry run of worlds: 3 items, 2 arms, 6 answers; nothing is kept\n"));
  EXPECT_THAT(result.out, HasSubstr("\n<s> Who?\nA. Ann\nB. Bob\nC. Cy\nD. Di\n"));
  EXPECT_THAT(result.out, ContainsRegex("\n  direct-rebalance[^ ]*: [0-9]+ texts looked at, [0-9]+ tokens"));
  EXPECT_THAT(result.out, ContainsRegex("\nMemory: weights 3 MB"));
  EXPECT_TRUE(fs::is_empty(work));
  const ProcessResult two = study({"--against", "small-worlds"});
  ASSERT_EQ(two.status, 0) << two.err;
  EXPECT_THAT(two.out, HasSubstr("\nMemory: weights 6 MB"));
  expect_failure(study({"--json"}), 2, {"--json"});
}

TEST_F(DryRun, OfASearchForHeads) {
  const auto heads = [&](const Arguments& more) {
    return testing::refocus(plus({"heads", "--dry-run", "--top", "1,2", "--draws", "3"}, more),
                            {.directory = work, .home = home.string()});
  };
  write_file(home / "data/worlds/test/keys_test.csv",
             "Who?,Ann,Bob,Cy,Di,B\nWhere?,in,on,by,at,C\nWhen?,one,two,six,ten,A\nHow?,a,b,c,d,D\n");
  const ProcessResult result = heads({"worlds"});
  ASSERT_EQ(result.status, 0) << result.err;
  // 4 layers of 5 heads, 2 items in each half: (1 + 20 + 1) * 2 to select, (2 + 2 + 2 * 3) * 2 to test.
  EXPECT_THAT(result.out, HasSubstr("Dry run of heads on worlds: 4 items, 64 answers; nothing is kept\n"));
  EXPECT_THAT(result.out, ContainsRegex("\nheads, to select +20 +2 +40\n"));
  EXPECT_THAT(result.out, ContainsRegex("\nrandom sets, to test +6 +2 +12\n"));
  EXPECT_THAT(result.out, HasSubstr("  goes on with 'A'\n"));
  EXPECT_THAT(result.out, ContainsRegex("\nTime: about [0-9]+ s\n  20 heads on 2 items measured, "));
  EXPECT_TRUE(fs::is_empty(work));
  // The search asks as many.
  const ProcessResult real =
      testing::refocus({"heads", "worlds", "--top", "1,2", "--draws", "3", "-o", "run"},
                       {.directory = work, .home = home.string()});
  ASSERT_EQ(real.status, 0) << real.err;
  EXPECT_LE(testing::answers_of_run(work / "run"), 64);
  EXPECT_GE(testing::answers_of_run(work / "run"), 56) << "but for sets that are drawn twice";
  EXPECT_THAT(heads({"worlds", "--detect"}).out, HasSubstr("Not counted: what --detect takes\n"));
  expect_failure(testing::refocus({"heads", "--detect", "--dry-run"}), 2,
                 {"[--dry-run]", "a search of a TASK"});
}

TEST_F(DryRun, OfASearchByPatchingShowsBothPrompts) {
  const ProcessResult result =
      testing::refocus({"heads", std::string(REFOCUS_SOURCE) + "/examples/pairs.yaml", "--by", "patch",
                        "--limit", "6", "--dry-run"},
                       {.directory = work, .home = home.string()});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("First prompt of clean ("));
  EXPECT_THAT(result.out, HasSubstr("First prompt of corrupted ("));
  EXPECT_TRUE(fs::is_empty(work));
}

TEST_F(DryRun, OfTraining) {
  write_file(work / "data.jsonl",
             "{\"prompt\": \"Who has the key? \", \"response\": \"Ann\"}\n{\"text\": \"The blue crate\"}\n");
  const ProcessResult result = testing::refocus(
      {"train", "-m", "small-worlds", "--data", "data.jsonl", "--steps", "500", "--dry-run", "-o", "out"},
      {.directory = work, .home = home.string()});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\n<s> Who has the key? Ann</s>\n---"));
  EXPECT_THAT(result.out, HasSubstr("\nData: 2 sequences, "));
  EXPECT_THAT(result.out, HasSubstr("\nParameters: 1,516,960\n"));
  EXPECT_THAT(result.out, ContainsRegex("\nSteps: 500, about [0-9]+ tokens each, [0-9.]+ times all data\n"));
  EXPECT_THAT(result.out, ContainsRegex("\nMemory: about [0-9.]+ [MG]B\nTime: about [0-9]"));
  EXPECT_FALSE(fs::exists(work / "out"));
}

TEST_F(DryRun, RefusesWhatTheRunWouldRefuse) {
  expect_failure(run({"-m", "small-worlds", "--intervene", "none", "--intervene", "none"}), 2,
                 {"different arms"});
  expect_failure(run({"nothing"}), 2, {"unknown task"});
}

}  // namespace
}  // namespace refocus
