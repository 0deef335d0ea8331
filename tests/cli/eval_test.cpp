// refocus eval: what a run directory holds, how arms and prompts multiply, and where output goes.
#include "cli/cli_support.h"
#include "eval/journal/sqlite_database.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using testing::json_lines;
using ::testing::Not;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

constexpr const char* kRebalanceArm = "rebalance_alpha=0.2_threshold=0.01_depth=3_mode=mask";

std::size_t line_count(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

class Eval : public ::testing::Test {
 protected:
  void SetUp() override {
    REFOCUS_NEEDS_SHARED(testing::kSmallModel);
    data = testing::write_tasks(dir / "data");
    run = dir / "run";
  }
  ProcessResult eval(const Arguments& more) {
    const ProcessResult result =
        testing::refocus(testing::eval_arguments(data, run, plus(more, {"--max-new-tokens", "8"})));
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
  std::vector<std::string> arms() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(run / "arms"))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }
  TempDir dir;
  fs::path data, run;
};

TEST_F(Eval, TwoPromptsTimesTwoInterventionsAreFourArmsOverTheSameItems) {
  const ProcessResult result =
      eval({"mmlu", "--cot", "--direct", "--intervene", "none", "--intervene", "rebalance"});
  const std::string rebalance = kRebalanceArm;
  EXPECT_THAT(arms(),
              ::testing::ElementsAre("cot-none", "cot-" + rebalance, "direct-none", "direct-" + rebalance));
  EXPECT_THAT(testing::files_below(run),
              ::testing::IsSupersetOf({std::string("run.json"), std::string("journal.db")}));
  for (const std::string& arm : arms()) {
    const fs::path files = run / "arms" / arm;
    EXPECT_THAT(
        testing::files_below(files),
        ::testing::ElementsAre("anatomy.csv", "results_refocus.json", "samples_mmlu_anatomy_refocus.jsonl",
                               "samples_mmlu_sociology_refocus.jsonl", "sociology.csv"));
    EXPECT_TRUE(file_text(files / "anatomy.csv")
                    .starts_with("question,A,B,C,D,answer,model_output,model_response,correctness\n"));
    const std::vector<Json> samples = json_lines(files / "samples_mmlu_anatomy_refocus.jsonl");
    ASSERT_EQ(samples.size(), 4u);
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(samples[i]["doc_id"], i);
    const std::string prompt = samples[1]["arguments"]["gen_args_0"]["arg_0"];
    EXPECT_THAT(prompt, HasSubstr("Two lines:\nwhich is \"right\"?"));
    EXPECT_TRUE(prompt.ends_with(arm.starts_with("cot") ? "Analysis:" : "Response:")) << prompt;
    const Json results = Json::parse(file_text(files / "results_refocus.json"));
    EXPECT_EQ(results["results"]["mmlu"]["n"], 8);
    EXPECT_EQ(results["results"]["mmlu_stem"]["n"], 4);
    EXPECT_EQ(results["results"]["mmlu_non_stem"]["n"], 4);
    for (const char* key : {"acc,none", "acc_stderr,none", "unparsed", "truncated"}) {
      EXPECT_TRUE(results["results"]["mmlu_anatomy"].contains(key)) << key;
    }
  }
  EXPECT_THAT(result.out, HasSubstr("mmlu: 8 questions, 4 arms"));
  EXPECT_THAT(result.out, HasSubstr("cot-none"));
  EXPECT_THAT(result.out, HasSubstr("Answers and results: " + run.string()));
  EXPECT_THAT(result.err, HasSubstr("eval: 32 of 32 (100%)"));
  EXPECT_THAT(result.err, Not(HasSubstr("accuracy")));
  EXPECT_THAT(result.out, Not(HasSubstr("a second")));
}

TEST_F(Eval, AsksWithAnalysisUnlessToldOtherwise) {
  eval({"piqa"});
  EXPECT_THAT(arms(), ::testing::ElementsAre("cot-none"));
  run = dir / "second";
  eval({"piqa", "--direct"});
  EXPECT_THAT(arms(), ::testing::ElementsAre("direct-none"));
}

TEST_F(Eval, InterventionChangesAnswers) {
  eval({"mmlu", "--intervene", "none", "--intervene", "rebalance:alpha=1,mode=self"});
  const std::string changed = "cot-rebalance_alpha=1_threshold=0.01_depth=3_mode=self";
  EXPECT_NE(file_text(run / "arms/cot-none/anatomy.csv"), file_text(run / "arms" / changed / "anatomy.csv"));
}

TEST_F(Eval, SubjectsAndLimitChooseItems) {
  eval({"mmlu", "--subjects", "sociology", "--limit", "2"});
  EXPECT_FALSE(fs::exists(run / "arms/cot-none/anatomy.csv"));
  EXPECT_EQ(json_lines(run / "arms/cot-none/samples_mmlu_sociology_refocus.jsonl").size(), 2u);
}

TEST_F(Eval, AsksTheLongestPromptsFirstInAllArms) {
  eval({"mmlu", "--direct", "--batch", "1", "--intervene", "none", "--intervene", "rebalance"});
  const SqliteDatabase journal(run / "journal.db", SqliteDatabase::Mode::kReadOnly);
  SqliteStatement rows(journal, "SELECT arm, subject, item, prompt_tokens FROM responses ORDER BY rowid");
  std::vector<std::int64_t> lengths;
  std::string question;
  for (int row = 0; rows.step(); ++row) {
    const std::string asked = rows.text(1) + std::to_string(rows.integer(2));
    if (row % 2 == 1) {
      EXPECT_EQ(asked, question) << row;
    }
    question = asked;
    lengths.push_back(rows.integer(3));
  }
  EXPECT_GT(lengths.size(), 8u);
  EXPECT_GT(lengths.front(), lengths.back());
  EXPECT_TRUE(std::ranges::is_sorted(lengths, std::greater()));
}

TEST_F(Eval, SeveralTasksWithPredictionFiles) {
  const ProcessResult result = eval({"piqa", "siqa", "mmlu", "--limit", "3", "--rules", "published"});
  const std::string piqa = file_text(run / "arms/cot-none/physicaliqa.csv");
  const std::string siqa = file_text(run / "arms/cot-none/socialiqa.csv");
  EXPECT_TRUE(piqa.starts_with("dataset,prediction\nphysicaliqa,"));
  EXPECT_TRUE(siqa.starts_with("dataset,prediction\nsocialiqa,"));
  EXPECT_EQ(line_count(piqa), 4u);
  EXPECT_EQ(line_count(siqa), 4u);
  for (const std::size_t at : {piqa.rfind(',') + 1, siqa.rfind(',') + 1}) {
    // The published rules always guess where there is any text; one-based.
    const char last = (at < piqa.size() && at == piqa.rfind(',') + 1 ? piqa : siqa)[at];
    EXPECT_TRUE(last == '\n' || (last >= '1' && last <= '3')) << last;
  }
  EXPECT_THAT(result.out, HasSubstr("piqa: 3 questions"));
  EXPECT_THAT(result.out, HasSubstr("siqa: 3 questions"));
  const std::vector<Json> samples = json_lines(run / "arms/cot-none/samples_piqa_refocus.jsonl");
  EXPECT_EQ(samples[0]["target"], "A");
  EXPECT_EQ(samples[1]["target"], "B");
}

TEST_F(Eval, WithoutLabelsThereArePredictionsAndNoAccuracy) {
  fs::remove(data / "piqa/dev-labels.lst");
  eval({"piqa"});
  EXPECT_EQ(line_count(file_text(run / "arms/cot-none/physicaliqa.csv")), 4u);
  const Json results = Json::parse(file_text(run / "arms/cot-none/results_refocus.json"));
  EXPECT_FALSE(results["results"]["piqa"].contains("acc,none"));
}

TEST_F(Eval, ProfileGivesThePrompt) {
  testing::write_file(dir / "p.json", R"({"name":"mine","extraction":"published","tasks":{"piqa":{
      "cot_instruction":"Choose.\n","body":"{goal}? {sol1} / {sol2}","cot_suffix":"\nAnswer:","direct_suffix":"\n="}}})");
  eval({"piqa", "--profile", (dir / "p.json").string()});
  const std::vector<Json> samples = json_lines(run / "arms/cot-none/samples_piqa_refocus.jsonl");
  EXPECT_EQ(samples[0]["arguments"]["gen_args_0"]["arg_0"], "Choose.\nTo cool tea? wait / boil it\nAnswer:");
  const Json record = Json::parse(file_text(run / "run.json"));
  EXPECT_EQ(record["sessions"][0]["profile"], "mine");
  EXPECT_EQ(record["sessions"][0]["extraction"], "published");
}

TEST_F(Eval, PublishedProfileIsReadAsItIs) {
  REFOCUS_NEEDS_SHARED("prompts/published.json");
  const std::string profile = testing::shared("prompts/published.json").string();
  eval({"mmlu", "--limit", "1", "--subjects", "anatomy", "--direct", "--cot", "--profile", profile});
  const Json texts = Json::parse(file_text(profile))["tasks"]["mmlu"];
  const auto prompt = [&](const char* arm) {
    return json_lines(run / "arms" / arm /
                      "samples_mmlu_anatomy_refocus.jsonl")[0]["arguments"]["gen_args_0"]["arg_0"]
        .get<std::string>();
  };
  const std::string body = "What is warm?\n\nA. ice\nB. snow\nC. fire\nD. frost\n";
  EXPECT_EQ(prompt("cot-none"),
            texts["cot_instruction"].get<std::string>() + body + texts["cot_suffix"].get<std::string>());
  EXPECT_EQ(prompt("direct-none"), body + texts["direct_suffix"].get<std::string>());
}

TEST_F(Eval, RefusesARunOfOtherSettingsAndNamesThem) {
  eval({"mmlu", "--subjects", "anatomy"});
  const std::string before = file_text(run / "run.json");
  const std::vector<std::pair<Arguments, std::string>> others = {
      {{"mmlu", "--subjects", "sociology"}, "expected all subjects of the run"},
      {{"piqa"}, "expected all tasks of the run"},
      {{"mmlu", "--subjects", "anatomy", "--limit", "1"}, "expected at least the 4 items of anatomy"},
      {{"mmlu", "--subjects", "anatomy", "--direct"}, "expected all arms of the run"},
      {{"mmlu", "--subjects", "anatomy", "--intervene", "rebalance"}, "expected all arms of the run"},
      {{"mmlu", "--subjects", "anatomy", "--max-new-tokens", "9"}, "max_new_tokens"},
      {{"mmlu", "--subjects", "anatomy", "--profile", (dir / "p.json").string()}, "prompts.mmlu"},
  };
  testing::write_file(
      dir / "p.json",
      R"({"tasks":{"mmlu":{"cot_instruction":"","body":"{question}","cot_suffix":"","direct_suffix":""}}})");
  for (const auto& [more, field] : others) {
    Arguments all = testing::eval_arguments(data, run, more);
    if (std::find(all.begin(), all.end(), "--max-new-tokens") == all.end())
      all = plus(all, {"--max-new-tokens", "8"});
    testing::expect_failure(testing::refocus(all), 1,
                            {run.string() + "]", field, "choose another -o directory"});
  }
  // The same questions from a file that was edited.
  testing::write_file(data / "mmlu/test/anatomy_test.csv",
                      "What is warm?,ice,snow,fire,frost,C\nb,1,2,3,4,A\nc,1,2,3,4,A\nd,1,2,3,4,A\n");
  testing::expect_failure(testing::refocus(testing::eval_arguments(
                              data, run, {"mmlu", "--subjects", "anatomy", "--max-new-tokens", "8"})),
                          1, {"expected the first 4 items of anatomy to be those", "the data have changed"});
  EXPECT_EQ(file_text(run / "run.json"), before);
}

TEST_F(Eval, OtherRulesReadTheKeptAnswersAnew) {
  eval({"mmlu"});
  const ProcessResult again = eval({"mmlu", "--rules", "published", "--threads", "1"});
  EXPECT_THAT(again.err, HasSubstr("going on with the run"));
  EXPECT_THAT(again.err, Not(HasSubstr("a second"))) << "nothing is asked again";
  EXPECT_EQ(Json::parse(file_text(run / "arms/cot-none/results_refocus.json"))["config"]["extraction"],
            "published");
}

}  // namespace
}  // namespace refocus
