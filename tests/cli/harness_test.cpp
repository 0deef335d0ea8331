// refocus eval with files of lm-evaluation-harness: each kind of task with the bundled model, resuming,
// comparing.
#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using testing::json_lines;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

constexpr const char* kData =
    "dataset_path: json\ndataset_kwargs: {data_files: {test: d.jsonl, dev: d.jsonl}}\n"
    "test_split: test\n";

class HarnessEval : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string lines;
    for (int i = 0; i < 4; ++i) {
      const Json row = {{"q", "Nina Fox reports to Hugo West. who is above Nina Fox?" +
                                  std::string(static_cast<std::size_t>(i), ' ')},
                        {"options", {"Hugo West", "Nina Fox", "Oscar"}},
                        {"k", i % 3},
                        {"before", "Nina Fox reports to _ ."}};
      lines += row.dump() + "\n";
    }
    write_file(dir / "d.jsonl", lines);
  }
  std::string put(const std::string& name, const std::string& text) {
    write_file(dir / name, text);
    return (dir / name).string();
  }
  ProcessResult eval(const std::string& file, const std::string& run, const Arguments& more = {}) const {
    return testing::refocus(plus({"eval", "-m", "small-worlds", file, "-o", (dir / run).string()}, more));
  }
  ProcessResult eval_well(const std::string& file, const std::string& run, const Arguments& more = {}) const {
    ProcessResult result = eval(file, run, more);
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
  Json harness_results(const std::string& run, const std::string& arm) const {
    return Json::parse(file_text(dir / run / "arms" / arm / "results_harness.json"));
  }
  std::string choice_task() {
    return put("choice.yaml",
               std::string("task: choice\n") + kData +
                   "output_type: multiple_choice\nfewshot_split: dev\ndoc_to_text: '{{q.strip()}}'\n"
                   "doc_to_choice: options\ndoc_to_target: k\n");
  }
  TempDir dir;
};

TEST_F(HarnessEval, ComparesOptionsInArms) {
  const std::string file = choice_task();
  const Arguments arms = {"--shots", "1", "--intervene", "none", "--intervene", "rebalance:alpha=1"};
  const ProcessResult result = eval_well(file, "run", arms);
  EXPECT_THAT(result.out, HasSubstr("choice: 4 questions, 2 arms; accuracy in %"));
  EXPECT_THAT(result.out, HasSubstr("choice       1  none    acc ↑"));
  const auto samples = json_lines(dir / "run/arms/loglikelihood-none/samples_choice_refocus.jsonl");
  ASSERT_EQ(samples.size(), 4u);
  // The table's numbers are those of the samples.
  double right = 0, by_length = 0;
  for (const Json& sample : samples) {
    right += sample["acc"].get<double>();
    by_length += sample["acc_norm"].get<double>();
  }
  const Json numbers = harness_results("run", "loglikelihood-none")["results"]["choice"];
  EXPECT_DOUBLE_EQ(numbers["acc,none"], right / 4);
  EXPECT_DOUBLE_EQ(numbers["acc_norm,none"], by_length / 4);
  EXPECT_EQ(numbers["sample_len"], 4);
  const std::string prompt = samples[0]["arguments"]["gen_args_0"]["arg_0"];
  EXPECT_THAT(prompt, ::testing::EndsWith("\n\nNina Fox reports to Hugo West. who is above Nina Fox?"));
  // The same command has nothing left to ask, and other examples are another run.
  EXPECT_THAT(eval_well(file, "run", arms).out, HasSubstr("choice: 4 questions"));
  EXPECT_NE(eval(file, "run", {"--intervene", "none", "--intervene", "rebalance:alpha=1"}).status, 0);
  EXPECT_EQ(testing::refocus({"compare", (dir / "run").string()}).status, 0);
}

TEST_F(HarnessEval, DoesNotDependOnTheBatch) {
  const std::string file = choice_task();
  eval_well(file, "one", {"--batch", "1", "--shots", "2"});
  eval_well(file, "many", {"--batch", "7", "--shots", "2", "--threads", "2"});
  for (const char* name : {"samples_choice_refocus.jsonl", "results_harness.json"}) {
    EXPECT_EQ(file_text(dir / "one/arms/loglikelihood-none" / name),
              file_text(dir / "many/arms/loglikelihood-none" / name));
  }
}

TEST_F(HarnessEval, GeneratesAndFilters) {
  const std::string file = put(
      "text.yaml",
      std::string("task: text\n") + kData +
          "doc_to_text: \"{{q}}\\nA. Hugo West\\nB. Oscar\\nResponse:\"\ndoc_to_target: ' A'\n"
          "generation_kwargs: {until: [\"\\n\"], max_gen_toks: 3}\nfilter_list:\n"
          "- {name: letter, filter: [{function: regex, regex_pattern: '[A-D]'}, {function: take_first}]}\n"
          "- {name: raw, filter: [{function: take_first}]}\n");
  const ProcessResult result = eval_well(file, "run", {"--limit", "3"});
  EXPECT_THAT(result.out, HasSubstr("text: 3 questions"));
  const auto samples = json_lines(dir / "run/arms/direct-none/samples_text_refocus.jsonl");
  ASSERT_EQ(samples.size(), 3u);
  double raw = 0;
  for (const Json& sample : samples) {
    EXPECT_LE(sample["generated_tokens"], 3);
    raw += sample["resps"][0][0] == " A" ? 1 : 0;
  }
  const Json numbers = harness_results("run", "direct-none")["results"]["text"];
  EXPECT_DOUBLE_EQ(numbers["exact_match,raw"], raw / 3) << "white space around a response is kept";
  EXPECT_TRUE(numbers.contains("exact_match,letter"));
}

TEST_F(HarnessEval, AsksWhatFollowsSeveralBeginnings) {
  const std::string file = put(
      "gap.yaml",
      std::string("task: gap\n") + kData +
          "output_type: multiple_choice\ndoc_to_text: '{{ k % 2 }}'\n"
          "doc_to_choice: \"{{ [before.split('_')[0] + options[0], before.split('_')[0] + options[2]] }}\"\n"
          "doc_to_target: \"{{ before.split('_')[1].strip() }}\"\n");
  eval_well(file, "run");
  const auto samples = json_lines(dir / "run/arms/loglikelihood-none/samples_gap_refocus.jsonl");
  // What follows alone is scored: its log-likelihood after each beginning, asked for by itself.
  const std::string alone =
      put("alone.yaml",
          std::string("task: alone\n") + kData +
              "output_type: loglikelihood\ndoc_to_text: \"{{ before.split('_')[0] + options[2] }}\"\n"
              "doc_to_target: \" {{ before.split('_')[1].strip() }}\"\n");
  eval_well(alone, "alone");
  const auto singles = json_lines(dir / "alone/arms/loglikelihood-none/samples_alone_refocus.jsonl");
  ASSERT_EQ(samples.size(), singles.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_DOUBLE_EQ(samples[i]["filtered_resps"][1][0], singles[i]["filtered_resps"][0][0]);
    EXPECT_EQ(samples[i]["filtered_resps"][1][1], singles[i]["filtered_resps"][0][1]);
    EXPECT_EQ(singles[i]["acc"].get<double>(), singles[i]["filtered_resps"][0][1].get<bool>() ? 1 : 0);
  }
  const Json numbers = harness_results("alone", "loglikelihood-none")["results"]["alone"];
  EXPECT_GT(numbers["perplexity,none"], 1);
}

TEST_F(HarnessEval, PredictsWholeTexts) {
  const std::string file =
      put("roll.yaml", std::string("task: roll\n") + kData +
                           "output_type: loglikelihood_rolling\ndoc_to_text: ''\ndoc_to_target: '{{q}}'\n");
  eval_well(file, "run");
  const Json numbers = harness_results("run", "loglikelihood-none")["results"]["roll"];
  const double bits = numbers["bits_per_byte,none"], bytes = numbers["byte_perplexity,none"];
  EXPECT_GT(bits, 0);
  EXPECT_NEAR(std::exp2(bits), bytes, 1e-9 * bytes);
}

TEST_F(HarnessEval, RunsGroups) {
  choice_task();
  put("again.yaml", "include: choice.yaml\ntask: again\ntest_split: dev\n");
  const std::string file =
      put("g.yaml", "group: both\ntask: [choice, again]\naggregate_metric_list: [{metric: acc}]\n");
  const ProcessResult result = eval_well(file, "run");
  EXPECT_THAT(result.out, HasSubstr("= both"));
  const Json all = harness_results("run", "loglikelihood-none");
  EXPECT_EQ(all["groups"]["both"]["acc,none"], all["results"]["choice"]["acc,none"]) << "both ask the same";
  EXPECT_EQ(all["groups"]["both"]["sample_len"], 8);
}

TEST_F(HarnessEval, SaysWhatItCannotDo) {
  const std::string file = choice_task();
  expect_failure(eval(file, "bad", {"--cot"}), 2, {"--cot", "output_type"});
  expect_failure(eval(file, "bad", {"--subjects", "a"}), 2, {"--subjects"});
  expect_failure(testing::refocus({"eval", "-m", "small-worlds", file, "piqa", "-o", (dir / "bad").string()}),
                 2, {"alone"});
  expect_failure(testing::refocus({"eval", "-m", "small-worlds", "--shots", "1"}), 2,
                 {"--shots", "--loglikelihood"});
  const std::string python = put("p.yaml", "task: p\ndataset_path: x\nprocess_docs: !function u.f\n");
  expect_failure(eval(python, "bad"), 1, {"p.yaml", "!function u.f"});
  EXPECT_FALSE(fs::exists(dir / "bad"));
}

}  // namespace
}  // namespace refocus
