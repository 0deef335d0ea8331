// Interventions that make weights negative, from the command line: one warning, numbers within the bounds of
// their definitions, and no test of numbers that do not exist.
#include <cmath>
#include <numbers>
#include <sstream>

#include "cli/cli_support.h"
#include "io/npy.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using testing::golden_model;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

constexpr const char* kTwentyTokens = "1,17,5,40,44,9,61,33,2,15,21,8,30,11,3,62,7,50,19,4";  // 20 of them

int count_of(const std::string& text, const std::string& part) {
  int count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Every value of [layers, heads] is null or within [low, high]; returns how many are not null.
int expect_within(const Json& grid, double low, double high, const std::string& what) {
  int known = 0;
  for (const Json& layer : grid) {
    for (const Json& value : layer) {
      if (value.is_null()) continue;
      EXPECT_GE(value.get<double>(), low - 1e-6) << what;
      EXPECT_LE(value.get<double>(), high + 1e-6) << what;
      ++known;
    }
  }
  return known;
}

// All shares, entropies and similarities of an arm of statistics.json.
int expect_bounds(const Json& arm, double entropy) {
  int known = 0;
  for (const auto& [name, by_class] : arm["statistics"].items()) {
    for (const auto& [token_class, grid] : by_class.items()) {
      const bool share = name.starts_with("mass_") && !name.starts_with("mass_mask");
      if (share || name == "jaccard_layer0") known += expect_within(grid, 0, 1, name);
      if (name == "entropy") known += expect_within(grid, 0, entropy, name);
      if (name == "divergence_layer0") known += expect_within(grid, 0, std::numbers::ln2, name);
      if (name.starts_with("received_ratio")) known += expect_within(grid, 0, INFINITY, name);
    }
  }
  return known;
}

class NegativeWeights : public ::testing::Test {
 protected:
  ProcessResult attention(const Arguments& more) const {
    return testing::refocus(plus(
        {"attention", "-m", golden_model("gqa-f32"), "-o", (dir / "out").string(), "--no-page", "--force"},
        more));
  }
  Json statistics() const { return Json::parse(file_text(dir / "out/statistics.json"))["arms"]; }
  TempDir dir;
};

TEST_F(NegativeWeights, StatisticsStayWithinTheirDefinitions) {
  for (const char* spec :
       {"rebalance:alpha=-2", "rebalance:alpha=-6,threshold=0.05", "rebalance:alpha=2,depth=1",
        "rebalance:alpha=2,depth=1,mode=self", "rebalance:alpha=-1000000,mode=self"}) {
    const ProcessResult result =
        attention({"--tokens", kTwentyTokens, "--intervene", "none", "--intervene", spec});
    ASSERT_EQ(result.status, 0) << result.err;
    const Json arms = statistics();
    EXPECT_FALSE(arms[0]["statistics"].contains("mass_negative")) << "nothing is negative without";
    EXPECT_FALSE(arms[0].contains("negative_rows"));
    EXPECT_GT(expect_bounds(arms[1], std::log(20.0)), 500) << spec;
    int rows = 0;
    for (const Json& layer : arms[1]["negative_rows"]) {
      for (const Json& count : layer) rows += count.get<int>();
    }
    EXPECT_GT(rows, 20) << spec;
    EXPECT_EQ(arms[1]["negative_rows"][0][0], 0) << "layer 0 is not changed";
    EXPECT_THAT(result.out, HasSubstr("negative %"));
    EXPECT_THAT(result.out, HasSubstr("Rows with negative weights (layer "));
    const std::string csv = file_text(dir / "out/statistics.csv");
    EXPECT_THAT(csv, Not(HasSubstr("nan")));
    EXPECT_THAT(csv, HasSubstr(",mass_negative,"));
  }
}

// 1 + alpha (1 - 1 / 2) = 0 in layer 1: nothing is left to have shares of.
TEST_F(NegativeWeights, ALayerOfZerosHasNoSharesRatherThanSharesOfNothing) {
  const ProcessResult result = attention(
      {"--tokens", kTwentyTokens, "--intervene", "rebalance:alpha=-2,depth=2,mode=self", "--json", "-q"});
  const Json means = testing::one_json_line(result)["arms"][0]["layer_means"];
  EXPECT_EQ(result.err, "") << "0 is not negative, and 1 + alpha (1 - 3 / 2) = 2";
  for (const char* name : {"entropy", "mass_first", "mass_self", "mass_window", "mass_non_semantic",
                           "jaccard_layer0", "divergence_layer0"}) {
    EXPECT_TRUE(means[name][1].is_null()) << name;
    EXPECT_FALSE(means[name][0].is_null() || means[name][2].is_null()) << name;
  }
  EXPECT_EQ(means["row_sum"][1], 0.0);
  EXPECT_EQ(means["mass_mask_after"][1], 0.0);
  EXPECT_EQ(statistics()[0]["zero_rows"],
            Json::parse("[[0,0,0,0,0,0],[20,20,20,20,20,20],[0,0,0,0,0,0],[0,0,0,0,0,0]]"));
  EXPECT_THAT(file_text(dir / "out/statistics.csv"), Not(HasSubstr(",1,0,all,entropy,")));
  const ProcessResult table =
      attention({"--tokens", kTwentyTokens, "--intervene", "rebalance:alpha=-2,depth=2,mode=self"});
  EXPECT_THAT(table.out, HasSubstr("Rows of zeros (layer 1: 120 of 120)"));
  EXPECT_THAT(table.out, HasSubstr("    1        -        -"));
}

TEST_F(NegativeWeights, DoNotDependOnThreads) {
  const Arguments command = {"--tokens",    kTwentyTokens,
                             "-n",          "6",
                             "--intervene", "rebalance:alpha=-1000000,threshold=0",
                             "--intervene", "rebalance:alpha=700000,depth=1,mode=self"};
  std::vector<std::string> texts;
  for (const char* threads : {"1", "3"}) {
    ASSERT_EQ(attention(plus(command, {"--threads", threads})).status, 0);
    std::string text = file_text(dir / "out/statistics.json");
    for (const std::string& file : testing::files_below(dir / "out")) {
      if (file.ends_with(".npy")) text += file_text(dir / "out" / file);
    }
    texts.push_back(std::move(text));
  }
  EXPECT_EQ(texts[0], texts[1]);
}

// ---- The warning: one line, wherever interventions are taken.

constexpr const char* kWarning =
    "warning: rebalance:alpha=-2,threshold=0.01,depth=3,mode=mask makes attention weights negative, first in "
    "layer "
    "1, by a factor of -0.3333 (1 + alpha (1 - 1 / 3))";

TEST_F(NegativeWeights, EveryCommandWarnsOnce) {
  testing::write_file(dir / "text.txt", "Nina Fox reports to Hugo West. Hugo West reports to Oscar East.");
  const std::string text = (dir / "text.txt").string(), out = (dir / "out").string();
  const std::vector<Arguments> commands = {
      {"generate", "-p", "who is", "-n", "2"},
      {"logits", "-p", "who is", "-o", (dir / "x.npy").string()},
      {"attention", "-p", "who is", "--no-page", "-o", out + "-attention"},
      {"eval", "worlds", "--subjects", "jobs", "--limit", "1", "--direct", "-o", out + "-eval"},
      {"eval", "worlds", "--subjects", "jobs", "--limit", "1", "--loglikelihood", "-o", out + "-likelihood"},
      {"eval", "perplexity", text},
      {"study", "--subjects", "jobs", "--limit", "1", "--direct", "-o", out + "-study"}};
  for (const Arguments& command : commands) {
    const ProcessResult none = testing::refocus(plus(command, {"--intervene", "none"}));
    ASSERT_EQ(none.status, 0) << command[0] << none.err;
    EXPECT_THAT(none.err, Not(HasSubstr("negative"))) << command[0];
    for (const char* written : {"-attention", "-eval", "-likelihood", "-study"})
      fs::remove_all(out + written);
    const ProcessResult result = testing::refocus(plus(command, {"--intervene", "rebalance:alpha=-2"}));
    ASSERT_EQ(result.status, 0) << command[0] << result.err;
    EXPECT_EQ(count_of(result.err, "warning:"), 1) << command[0] << ": " << result.err;
    EXPECT_THAT(result.err, HasSubstr(std::string(kWarning) + "\n")) << command[0];
  }
}

TEST_F(NegativeWeights, ASweepWarnsOnceForAllItsPoints) {
  const ProcessResult result =
      testing::refocus({"eval", "worlds", "--subjects", "jobs", "--limit", "1", "--direct", "--sweep",
                        "alpha=-3:1:1", "--sweep", "depth=1,LAST", "-o", (dir / "run").string()});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(count_of(result.err, "makes attention weights negative"), 1) << result.err;
  EXPECT_EQ(count_of(result.err, "negative"), 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("interventions do so in all\n"));
}

TEST_F(NegativeWeights, SeveralArmsAreOneLine) {
  const ProcessResult result = attention({"--tokens", kTwentyTokens, "--intervene", "rebalance",
                                          "--intervene", "rebalance:alpha=2,depth=1", "--intervene", "none",
                                          "--intervene", "rebalance:alpha=-9,mode=self", "-q"});
  ASSERT_EQ(result.status, 0);
  EXPECT_EQ(result.err,
            "warning: rebalance:alpha=2,threshold=0.01,depth=1,mode=mask makes attention weights negative, "
            "first in "
            "layer 2, by a factor of -1 (1 + alpha (1 - 2 / 1)); 2 interventions do so in all\n");
}

TEST_F(NegativeWeights, BadParametersAreOneClearLine) {
  for (const char* spec :
       {"rebalance:alpha=inf", "rebalance:alpha=nan", "rebalance:alpha=1e30", "rebalance:depth=0",
        "rebalance:alpha=-1000001", "rebalance:threshold=nan", "rebalance:depth=-1"}) {
    expect_failure(attention({"--tokens", kTwentyTokens, "--intervene", spec}), 2,
                   {"[--intervene] expected"});
  }
}

// ---- The study.

TEST_F(NegativeWeights, AStudyTestsOnlyNumbersThatExist) {
  const ProcessResult result =
      testing::refocus({"study", "-m", "small-worlds", "--subjects", "jobs", "--limit", "12", "--direct",
                        "--intervene", "none", "--intervene", "rebalance:alpha=-2,depth=2,mode=self",
                        "--intervene", "rebalance:alpha=-2", "-o", (dir / "study").string()});
  ASSERT_EQ(result.status, 0) << result.err;
  const Json study = Json::parse(file_text(dir / "study/study.json"));
  const Json& zeros = study["arms"][1];
  EXPECT_TRUE(zeros["means"]["entropy"][1].is_null());
  EXPECT_EQ(zeros["means"]["row_sum"][1], 0.0);
  EXPECT_EQ(zeros["texts_without_value"]["entropy"], Json::parse("[0,12,0,0]"));
  EXPECT_FALSE(study["arms"][0].contains("texts_without_value"));
  EXPECT_EQ(study["arms"][0]["means"]["mass_negative"], Json::parse("[0.0,0.0,0.0,0.0]"));
  EXPECT_GT(study["arms"][2]["means"]["mass_negative"][1].get<double>(), 0.01);
  int compared = 0, left_out = 0;
  for (const Json& comparison : study["comparisons"]) {
    for (const Json& row : comparison["differences"]) {
      for (const char* number : {"first_mean", "second_mean", "difference", "p", "p_holm"}) {
        ASSERT_TRUE(row[number].is_number()) << row.dump();
      }
      EXPECT_NE(row["statistic"], "mass_negative");
      if (row["statistic"] == "entropy") {
        EXPECT_GE(row["first_mean"].get<double>(), 0);
        EXPECT_GE(row["second_mean"].get<double>(), 0);
      }
      ++compared;
    }
    if (!comparison.contains("not_compared")) continue;
    for (const Json& row : comparison["not_compared"]) {
      EXPECT_EQ(row["layer"], 1);
      EXPECT_EQ(row["second_texts"], 0);
      ++left_out;
    }
  }
  EXPECT_GT(compared, 100);
  EXPECT_EQ(left_out, 15) << "entropy, four places, eight kinds of key, Jaccard, divergence";
  EXPECT_THAT(result.out, HasSubstr("layer 1: no value of 15 statistics in up to 12 of 12 texts"));
  EXPECT_THAT(result.out,
              HasSubstr("15 statistics and layers left out: fewer than 10 texts of a group have a value"));
  EXPECT_THAT(result.out, HasSubstr("% of the weights' sizes are of negative ones"));
  EXPECT_THAT(file_text(dir / "study/texts.csv"), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace refocus
