// refocus study on the bundled model: its files against those of eval and attention, and bad input.
#include <fmt/core.h>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

class Study : public ::testing::Test {
 protected:
  ProcessResult study(const std::string& out, const Arguments& more) const {
    return testing::refocus(
        plus({"study", "-m", "small-worlds", "--subjects", "codes,jobs", "-o", (dir / out).string()}, more));
  }
  TempDir dir;
};

class StudyUnder : public Study, public ::testing::WithParamInterface<std::pair<const char*, const char*>> {};

// A study of one text has the numbers that `refocus attention` gives for it, with and without an intervention
// on what comes from a field of the item.
TEST_P(StudyUnder, MeasuresWhatAttentionMeasures) {
  const Arguments one = {"-m", "small-worlds", "--subjects",  "jobs",           "--limit",
                         "1",  "--direct",     "--intervene", GetParam().second};
  const auto run = [&](const Arguments& command, const char* out) {
    const ProcessResult result = testing::refocus(plus(plus(command, one), {"-o", (dir / out).string()}));
    ASSERT_EQ(result.status, 0) << result.err;
  };
  run({"study", "worlds", "--rows", "prompt"}, "study");
  run({"attention", "--task", "worlds"}, "attention");
  const Json means = Json::parse(file_text(dir / "study/study.json"))["arms"][0]["means"];
  const Json grids = Json::parse(file_text(dir / "attention/statistics.json"))["arms"][0]["statistics"];
  int compared = 0;
  for (const auto& [name, layers] : means.items()) {
    const std::size_t dot = name.find('.');
    const Json& grid = grids[name.substr(0, dot)];
    const std::string key_class = dot == std::string::npos ? "all" : name.substr(dot + 1);
    if (!grid.contains(key_class)) {  // the text has no such token
      for (const Json& value : layers) EXPECT_TRUE(value.is_null()) << name;
      continue;
    }
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      double sum = 0;
      int heads = 0;
      for (const Json& value : grid[key_class][layer]) {
        if (value.is_null()) continue;
        sum += value.get<double>();
        ++heads;
      }
      if (heads == 0) continue;
      EXPECT_NEAR(layers[layer].get<double>(), sum / heads, 1e-12) << name << " layer " << layer;
      ++compared;
    }
  }
  EXPECT_GT(compared, 4 * 25);
}

INSTANTIATE_TEST_SUITE_P(Interventions, StudyUnder,
                         ::testing::Values(std::pair("none", "none"),
                                           std::pair("boost", "boost:factor=20,keys=field:question")),
                         [](const auto& info) { return std::string(info.param.first); });

// The rows that the answer's tokens were predicted from, and those alone.
TEST_F(Study, RowsOfTheResponseBeginWithThePromptsLast) {
  const Arguments one = {"-m", "small-worlds", "--subjects", "jobs", "--limit", "1", "--cot"};
  const auto run = [&](const Arguments& command, const char* out) {
    const ProcessResult result = testing::refocus(plus(command, {"-o", (dir / out).string()}));
    ASSERT_EQ(result.status, 0) << result.err;
  };
  run(plus({"eval", "worlds"}, one), "run");
  run(plus({"study", "worlds"}, one), "study");
  std::istringstream samples(file_text(dir / "run/arms/cot-none/samples_worlds_jobs_refocus.jsonl"));
  std::string line;
  std::getline(samples, line);
  const Json sample = Json::parse(line);
  const std::int64_t prompt = sample["prompt_tokens"], generated = sample["generated_tokens"];
  ASSERT_GT(generated, 10);
  run({"attention", "-m", "small-worlds", "-p", sample["arguments"]["gen_args_0"]["arg_0"], "-n", "200",
       "--queries", fmt::format("{}-{}", prompt - 1, prompt + generated - 2), "--no-page"},
      "attention");
  const Json grids = Json::parse(file_text(dir / "attention/statistics.json"))["arms"][0]["statistics"];
  const Json means = Json::parse(file_text(dir / "study/study.json"))["arms"][0]["means"];
  for (const char* name : {"entropy", "mass_first", "mass_non_semantic", "divergence_layer0"}) {
    for (std::size_t layer = 0; layer < 4; ++layer) {
      double sum = 0;
      for (const Json& head : grids[name]["all"][layer]) sum += head.get<double>() / 5;
      EXPECT_NEAR(means[name][layer].get<double>(), sum, 1e-12) << name << " layer " << layer;
    }
  }
}

TEST_F(Study, AnswersAreThoseOfAnEvaluation) {
  const Arguments arms = {"--limit",     "10",   "--cot",       "--direct",
                          "--intervene", "none", "--intervene", "rebalance:alpha=1"};
  const ProcessResult result = study("study", arms);
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("direct-none against cot-none"));
  ASSERT_EQ(testing::refocus(
                plus({"eval", "-m", "small-worlds", "--subjects", "codes,jobs", "-o", (dir / "run").string()},
                     arms))
                .status,
            0);
  const Json json = Json::parse(file_text(dir / "study/study.json"));
  for (const Json& arm : json["arms"]) {
    const fs::path results = dir / "run/arms" / arm["name"].get<std::string>() / "results_refocus.json";
    const Json all = Json::parse(file_text(results))["results"]["worlds"];
    EXPECT_NEAR(all["acc,none"].get<double>(), arm["right"].get<double>() / arm["labelled"].get<double>(),
                1e-12);
  }
  EXPECT_EQ(json["arms"].size(), 4u);
  EXPECT_TRUE(fs::exists(dir / "study/arms.svg"));
  for (const char* option : {"--by", "--baseline"}) {
    const std::string value = option == std::string("--by") ? "subjects" : "cot-none";
    expect_failure(testing::refocus({"figure", (dir / "study").string(), "forest", option, value, "-o",
                                     (dir / "f.svg").string()}),
                   2, {option, "expected a run of eval, got a study"});
  }
  // Other batches and threads: the same bytes.
  ASSERT_EQ(study("again", plus(arms, {"--batch", "3", "--threads", "1"})).status, 0);
  for (const char* file : {"study.json", "texts.csv", "arms.svg", "direct_cot-none.svg"}) {
    EXPECT_EQ(file_text(dir / "again" / file), file_text(dir / "study" / file)) << file;
  }
}

TEST_F(Study, TheSameModelBeforeIsNoDifference) {
  ASSERT_EQ(study("same", {"--limit", "6", "--before", "small-worlds"}).status, 0);
  const Json json = Json::parse(file_text(dir / "same/study.json"));
  const Json& comparison = json["comparisons"].back();
  EXPECT_EQ(comparison["question"], "models");
  ASSERT_FALSE(comparison["differences"].empty());
  for (const Json& row : comparison["differences"]) {
    EXPECT_EQ(row["difference"], 0.0);
    EXPECT_EQ(row["p_holm"], 1.0);
  }
}

TEST_F(Study, BadInputIsOneClearLine) {
  const auto fails = [&](const Arguments& more, int status, const std::vector<std::string>& parts) {
    expect_failure(study("bad", more), status, parts);
    EXPECT_FALSE(fs::exists(dir / "bad"));
  };
  fails({"--rows", "answers"}, 2, {"--rows", "response"});
  fails({"--intervene", "none", "--intervene", "none"}, 2, {"different arms"});
  fails({"nothing"}, 2, {"nothing", "worlds"});
  fails({"--before", "no-such-model"}, 1, {"no-such-model"});
  fails({"--max-new-tokens", "0"}, 2, {"--max-new-tokens"});
  fs::create_directories(dir / "there");
  testing::write_file(dir / "there/notes.txt", "mine");
  expect_failure(study("there", {"--limit", "1"}), 1, {"there", "'notes.txt' and no run.json", "-o"});
  expect_failure(study("there", {"--limit", "1", "--force"}), 1, {"there", "-o"});
  EXPECT_EQ(file_text(dir / "there/notes.txt"), "mine");
}

TEST_F(Study, AModelBeforeMustFit) {
  REFOCUS_NEEDS_SHARED(testing::kSmallModel);
  expect_failure(study("bad", {"--limit", "1", "--before", testing::small_model()}), 1,
                 {"[--against]", "vocabulary size", "fine-tuned from"});
}

}  // namespace
}  // namespace refocus
