// refocus eval --loglikelihood: its numbers against `refocus logits`, its files, resuming and errors.
#include <chrono>
#include <cmath>
#include <csignal>
#include <thread>

#include "cli/cli_support.h"
#include "io/npy.h"

namespace refocus {
namespace {

using testing::Arguments;
using ::testing::ElementsAre;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using testing::json_lines;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

constexpr const char* kRebalanceLikelihood =
    "loglikelihood-rebalance_alpha=1_threshold=0.01_depth=3_mode=self";

class Loglikelihood : public ::testing::Test {
 protected:
  void SetUp() override {
    REFOCUS_NEEDS_SHARED(testing::kSmallModel);
    data = testing::write_tasks(dir / "data");
    fs::create_directories(data / "mmlu/dev");
    testing::write_file(
        data / "mmlu/dev/anatomy_dev.csv",
        "question,choice0,choice1,choice2,choice3,answer\nFirst?,a,b,c,d,3\nSecond?,e,f,g,h,0\n");
    testing::write_file(data / "mmlu/dev/sociology_dev.csv", "Who?,i,j,k,l,B\nWhere?,m,n,o,p,C\n");
  }
  ProcessResult eval(const std::string& run, const Arguments& more) const {
    return testing::refocus(testing::eval_arguments(data, dir / run, plus({"--loglikelihood"}, more)));
  }
  void expect_success(const ProcessResult& result) const { EXPECT_EQ(result.status, 0) << result.err; }

  // log P of the tokens of `continuation` after `context`, from the file that `refocus logits` writes.
  double by_logits(const std::string& context, const std::string& continuation,
                   const std::string& intervention) const {
    const auto tokens = [&](const std::string& text) {
      return testing::one_json_line(
                 testing::refocus({"tokenize", "-m", testing::small_model(), "-p", text, "--json"}))["tokens"]
          .get<std::vector<std::int32_t>>();
    };
    const std::vector<std::int32_t> all = tokens(context + continuation);
    const std::size_t before = tokens(context).size();
    const fs::path file = dir / "logits.npy";
    const ProcessResult result =
        testing::refocus({"logits", "-m", testing::small_model(), "--context", "2048", "--tokens",
                          testing::comma_list(all), "--intervene", intervention, "-o", file.string()});
    EXPECT_EQ(result.status, 0) << result.err;
    const NpyArray logits = read_npy(file);
    const auto vocab = static_cast<std::size_t>(logits.shape[1]);
    double sum = 0;
    for (std::size_t t = before; t < all.size(); ++t) {
      const float* row = logits.f32().data() + (t - 1) * vocab;
      double total = 0;
      for (std::size_t v = 0; v < vocab; ++v) total += std::exp(static_cast<double>(row[v]));
      sum += row[all[t]] - std::log(total);
    }
    return sum;
  }

  TempDir dir;
  fs::path data;
};

TEST_F(Loglikelihood, EqualsWhatLogitsSay) {
  const ProcessResult result = eval("run", {"mmlu", "piqa", "siqa", "--limit", "2", "--intervene", "none",
                                            "--intervene", "rebalance:alpha=1,mode=self"});
  expect_success(result);
  const std::vector<std::string> files = {"mmlu_anatomy", "piqa", "social_iqa"};
  bool arms_differ = false;
  for (const auto& [arm, intervention] : {std::pair<std::string, std::string>{"loglikelihood-none", "none"},
                                          {kRebalanceLikelihood, "rebalance:alpha=1,mode=self"}}) {
    for (const std::string& task : files) {
      for (const Json& sample : json_lines(dir / "run/arms" / arm / ("samples_" + task + "_refocus.jsonl"))) {
        const std::size_t options = task == "piqa" ? 2 : task == "social_iqa" ? 3 : 4;
        ASSERT_EQ(sample["filtered_resps"].size(), options);
        double best = -INFINITY;
        std::size_t chosen = 0;
        for (std::size_t k = 0; k < options; ++k) {
          const Json& arguments = sample["arguments"]["gen_args_" + std::to_string(k)];
          const double got = sample["filtered_resps"][k][0];
          EXPECT_NEAR(got, by_logits(arguments["arg_0"], arguments["arg_1"], intervention), 1e-5)
              << arm << " " << task << " option " << k;
          if (got > best) chosen = k;
          best = std::max(best, got);
        }
        EXPECT_EQ(sample["acc"],
                  sample["target"] == std::string(1, static_cast<char>('A' + chosen)) ? 1.0 : 0.0);
      }
    }
    arms_differ |= file_text(dir / "run/arms" / arm / "samples_piqa_refocus.jsonl") !=
                   file_text(dir / "run/arms/loglikelihood-none/samples_piqa_refocus.jsonl");
  }
  EXPECT_TRUE(arms_differ);
  EXPECT_THAT(result.out, HasSubstr("acc_norm"));
  EXPECT_THAT(result.out, HasSubstr("piqa: paired differences"));
  const Json results = Json::parse(file_text(dir / "run/arms/loglikelihood-none/results_refocus.json"));
  EXPECT_TRUE(results["results"]["piqa"].contains("acc_norm,none"));
  EXPECT_FALSE(results["results"]["mmlu"].contains("acc_norm,none"));
  EXPECT_EQ(results["configs"]["social_iqa"]["output_type"], "multiple_choice");
  const ProcessResult compared =
      testing::refocus({"compare", (dir / "run").string(), "--flips", "--responses"});
  EXPECT_EQ(compared.status, 0) << compared.err;
  EXPECT_THAT(compared.out, HasSubstr("siqa: 2 arms"));
}

TEST_F(Loglikelihood, ShotsAreTheFirstOfTheDevSplit) {
  const Arguments mmlu = {"mmlu", "--subjects", "anatomy", "--limit", "1"};
  const std::string description =
      "The following are multiple choice questions (with answers) about anatomy.\n\n";
  const std::string first = "First?\nA. a\nB. b\nC. c\nD. d\nAnswer: D\n\n";
  const std::string second = "Second?\nA. e\nB. f\nC. g\nD. h\nAnswer: A\n\n";
  const std::string question = "What is warm?\nA. ice\nB. snow\nC. fire\nD. frost\nAnswer:";
  const std::string prompts[] = {description + question, description + first + question,
                                 description + first + second + question};
  for (int shots = 0; shots < 3; ++shots) {
    const std::string run = "run" + std::to_string(shots), n = std::to_string(shots);
    expect_success(eval(run, plus(mmlu, {"--shots", n})));
    const fs::path arm = dir / run / "arms/loglikelihood-none";
    const Json sample = json_lines(arm / "samples_mmlu_anatomy_refocus.jsonl").at(0);
    EXPECT_EQ(sample["arguments"]["gen_args_3"]["arg_0"], prompts[shots]);
    EXPECT_EQ(sample["arguments"]["gen_args_3"]["arg_1"], " D");
    EXPECT_EQ(Json::parse(file_text(arm / "results_refocus.json"))["n-shot"]["mmlu_anatomy"], shots);
  }
  expect_failure(eval("run1", plus(mmlu, {"--shots", "2"})), 1, {"loglikelihood.shots to be 1", "got 2"});
  // Other examples are another experiment.
  testing::write_file(data / "mmlu/dev/anatomy_dev.csv", "Changed?,a,b,c,d,D\n");
  expect_failure(eval("run1", plus(mmlu, {"--shots", "1"})), 1, {"loglikelihood.examples.anatomy"});
}

class LoglikelihoodRuns : public Loglikelihood {
 protected:
  // Arms that share layers, too.
  const Arguments tasks = {"mmlu",        "piqa",      "--intervene", "none",
                           "--intervene", "rebalance", "--intervene", "zero:layers=2-3,rows=last"};

  std::int64_t answers(const std::string& run) const { return testing::answers_of_run(dir / run); }
  void expect_same_files(const std::string& run, const std::string& whole) const {
    testing::expect_same_reports(dir / run, dir / whole, 3u * 7u);
  }
};

TEST_F(LoglikelihoodRuns, ThreadsAndBatchDoNotChangeAByteNorDoesBeingKilled) {
  expect_success(eval("whole", plus(tasks, {"--threads", "1", "--batch", "1"})));
  ASSERT_EQ(answers("whole"), 3 * (8 + 3));
  expect_success(eval("other", plus(tasks, {"--threads", "2", "--batch", "16"})));
  expect_same_files("other", "whole");

  int kills = 0;
  ProcessResult last;
  for (int session = 0; session < 12 && last.status != 0; ++session) {
    const std::int64_t enough = answers("run") + 1 + session % 3;
    testing::Process process(testing::eval_arguments(
        data, dir / "run",
        plus(plus({"--loglikelihood"}, tasks), {"--batch", session % 2 == 0 ? "1" : "3"})));
    while (process.running() && answers("run") < enough)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (session < 6) process.send(SIGKILL);
    last = process.wait();
    kills += last.signal == SIGKILL;
  }
  expect_success(last);
  EXPECT_GE(kills, 1);
  expect_same_files("run", "whole");
}

TEST_F(Loglikelihood, WorkedExamplesOfPiqaAreOfTrainOrTheLastQuestions) {
  testing::write_file(
      data / "piqa/dev.jsonl",
      "{\"goal\":\"One\",\"sol1\":\"a\",\"sol2\":\"b\"}\n{\"goal\":\"Two\",\"sol1\":\"c\",\"sol2\":\"d\"}\n"
      "{\"goal\":\"Three\",\"sol1\":\"e\",\"sol2\":\"f\"}\n");
  testing::write_file(data / "piqa/dev-labels.lst", "0\n1\n1\n");
  const auto contexts = [&](const std::string& run) {
    std::vector<std::string> out;
    for (const Json& sample : json_lines(dir / run / "arms/loglikelihood-none/samples_piqa_refocus.jsonl")) {
      out.push_back(sample["arguments"]["gen_args_0"]["arg_0"]);
    }
    return out;
  };
  const ProcessResult last = eval("last", {"piqa", "--shots", "1"});
  expect_success(last);
  EXPECT_THAT(last.err, HasSubstr("its last 1 questions are the worked examples, and are not asked"));
  EXPECT_THAT(contexts("last"), ElementsAre("Question: Three\nAnswer: f\n\nQuestion: One\nAnswer:",
                                            "Question: Three\nAnswer: f\n\nQuestion: Two\nAnswer:"));
  testing::write_file(data / "piqa/train.jsonl", "{\"goal\":\"Old\",\"sol1\":\"y\",\"sol2\":\"z\"}\n");
  expect_failure(eval("train", {"piqa", "--shots", "1"}), 1, {"train.jsonl]", "train-labels.lst, got none"});
  testing::write_file(data / "piqa/train-labels.lst", "0\n");
  expect_success(eval("train", {"piqa", "--shots", "1", "--limit", "1"}));
  EXPECT_THAT(contexts("train"), ElementsAre("Question: Old\nAnswer: y\n\nQuestion: One\nAnswer:"));
  expect_success(eval("train", {"piqa", "--shots", "1"}));
  EXPECT_EQ(contexts("train").size(), 3u) << "all questions are asked, and the run goes on";
  testing::write_file(data / "piqa/train-labels.lst", "1\n");
  expect_failure(eval("train", {"piqa", "--shots", "1"}), 1, {"loglikelihood.examples.physicaliqa"});
}

// Each arm's files are those of a run that has that arm alone, and are written in the same order.
TEST_F(Loglikelihood, ArmsTogetherAreThoseOfArmsAlone) {
  const Arguments arms = {"none", "rebalance:layers=2,depth=5",
                          "boost:factor=4,keys=class:punctuation,layers=2-3"};
  Arguments all = {"mmlu", "piqa"};
  for (const std::string& arm : arms) all = plus(all, {"--intervene", arm});
  expect_success(eval("all", all));
  EXPECT_THAT(eval("none", plus(all, {"--dry-run"})).out, HasSubstr(", layers that arms share up to 1 MB, "));
  std::size_t files = 0;
  for (const std::string& arm : arms) {
    fs::remove_all(dir / "one");
    expect_success(eval("one", {"mmlu", "piqa", "--intervene", arm}));
    for (const auto& its : fs::directory_iterator(dir / "one/arms")) {
      for (const auto& file : fs::directory_iterator(its.path())) {
        const fs::path together = dir / "all/arms" / its.path().filename() / file.path().filename();
        if (!file.path().filename().string().starts_with("samples_")) continue;
        EXPECT_EQ(file_text(file.path()), file_text(together)) << together;
        ++files;
      }
    }
  }
  EXPECT_EQ(files, 3u * 3u);
}

TEST_F(Loglikelihood, BadInputIsOneClearLine) {
  const auto fails = [&](const Arguments& more, int status, const std::vector<std::string>& parts) {
    expect_failure(eval("bad", more), status, parts);
    EXPECT_FALSE(fs::exists(dir / "bad"));
  };
  const auto fails_within = [&](const char* context, const char* task,
                                const std::vector<std::string>& parts) {
    expect_failure(
        testing::refocus({"eval", task, "-m", testing::small_model(), "--context", context, "--data",
                          data.string(), "-o", (dir / "bad").string(), "--loglikelihood"}),
        1, parts);
    EXPECT_FALSE(fs::exists(dir / "bad"));
  };
  for (const char* flag : {"--cot", "--direct"}) fails({"piqa", flag}, 2, {"--loglikelihood", flag});
  fails({"piqa", "--max-new-tokens", "4"}, 2, {"--loglikelihood", "--max-new-tokens"});
  expect_failure(testing::refocus({"eval", "worlds", "-m", testing::small_model(), "-o",
                                   (dir / "bad").string(), "--loglikelihood", "--shots", "1"}),
                 2, {"[--shots]", "mmlu, piqa or siqa", "got worlds"});
  fails({"piqa", "--shots", "1000"}, 1,
        {"dev.jsonl]", "expected more than 1000 questions", "use fewer shots"});
  fails({"mmlu", "--shots", "-1"}, 2, {"--shots"});
  fails({"mmlu", "--shots", "3"}, 1, {"_dev.csv]", "expected at least 3 questions", "got 2"});
  expect_failure(testing::refocus(testing::eval_arguments(data, dir / "bad", {"mmlu", "--shots", "1"})), 2,
                 {"--shots", "--loglikelihood"});
  fails_within("40", "mmlu", {"fewer than 40 tokens", "--shots", "--context"});
  fs::remove(data / "mmlu/dev/anatomy_dev.csv");
  fails({"mmlu", "--shots", "1"}, 1, {"anatomy_dev.csv]", "worked examples"});
  fs::remove_all(data / "mmlu/dev");
  fails({"mmlu", "--shots", "1"}, 1, {"mmlu/dev/SUBJECT_dev.csv"});
  const std::string solution(300, 'x');
  testing::write_file(data / "piqa/dev.jsonl", R"({"goal":"To","sol1":"a","sol2":")" + solution + "\"}\n");
  testing::write_file(data / "piqa/dev-labels.lst", "0\n");
  fails_within("128", "piqa", {"an option of at most 128 tokens", "physicaliqa item 0"});
  testing::write_file(data / "piqa/dev.jsonl", "{\"goal\":\"To\",\"sol1\":\"a\",\"sol2\":\"\"}\n");
  fails({"piqa"}, 1, {"[physicaliqa item 0]", "option B", "empty"});
}

TEST_F(Loglikelihood, ComparesOnlyWithItsOwnKind) {
  expect_success(eval("scored", {"piqa"}));
  expect_success(
      testing::refocus(testing::eval_arguments(data, dir / "text", {"piqa", "--max-new-tokens", "2"})));
  expect_failure(testing::refocus({"compare", (dir / "scored").string(), (dir / "text").string()}), 1,
                 {"all compare log-likelihoods", "--loglikelihood"});
}

}  // namespace
}  // namespace refocus
