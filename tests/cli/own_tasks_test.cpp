// refocus eval with task files: the examples of docs/own-tasks.md with the bundled model, resuming,
// comparing, and bad input.
#include <chrono>
#include <csignal>
#include <thread>

#include "cli/cli_support.h"
#include "eval/journal/journal.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using testing::json_lines;
using testing::plus;
using testing::Process;
using testing::ProcessResult;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

constexpr const char* kRebalance = "rebalance:alpha=1";
constexpr const char* kRebalanceArm = "direct-rebalance_alpha=1_threshold=0.01_depth=3_mode=mask";

class OwnTasks : public ::testing::Test {
 protected:
  // A copy of the examples, to be changed and removed.
  void SetUp() override { fs::copy(fs::path(REFOCUS_SOURCE) / "examples", dir / "examples"); }
  std::string example(const std::string& name) const { return (dir / "examples" / name).string(); }
  Arguments arguments(const Arguments& tasks, const std::string& run, const Arguments& more = {}) const {
    return plus(plus({"eval", "-m", "small-worlds"}, tasks), plus({"-o", (dir / run).string()}, more));
  }
  ProcessResult eval(const Arguments& tasks, const std::string& run, const Arguments& more = {}) const {
    return testing::refocus(arguments(tasks, run, more));
  }
  ProcessResult eval_well(const Arguments& tasks, const std::string& run, const Arguments& more = {}) const {
    ProcessResult result = eval(tasks, run, more);
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
  fs::path arm(const std::string& run, const std::string& name) const { return dir / run / "arms" / name; }
  Json results(const std::string& run, const std::string& name) const {
    return Json::parse(file_text(arm(run, name) / "results_refocus.json"));
  }
  void expect_refused(const ProcessResult& result, int status, const std::vector<std::string>& parts) const {
    expect_failure(result, status, parts);
    EXPECT_FALSE(fs::exists(dir / "bad"));
  }
  TempDir dir;
};

TEST_F(OwnTasks, AskTheExampleOfMultipleChoice) {
  const ProcessResult result = eval_well({example("quiz.yaml")}, "run", {"--cot", "--direct"});
  EXPECT_THAT(result.out, HasSubstr("quiz: 20 questions, 2 arms; accuracy in %"));
  const Json cot = results("run", "cot-none");
  EXPECT_GT(cot["results"]["quiz"]["acc,none"], 0.7) << "the model was trained on such questions";
  EXPECT_EQ(cot["results"]["quiz"]["n"], 20);
  EXPECT_EQ(cot["n-samples"]["quiz_jobs"]["effective"], 5);
  EXPECT_EQ(cot["group_subtasks"]["quiz"],
            Json({"quiz_jobs", "quiz_prices", "quiz_syllogisms", "quiz_events"}));
  const std::vector<Json> prices = json_lines(arm("run", "cot-none") / "samples_quiz_prices_refocus.jsonl");
  const std::string prompt = prices[1]["arguments"]["gen_args_0"]["arg_0"];
  EXPECT_THAT(prompt, ::testing::EndsWith("\nA. " + prices[1]["doc"]["A"].get<std::string>() + "\nB. " +
                                          prices[1]["doc"]["B"].get<std::string>() + "\nC. " +
                                          prices[1]["doc"]["C"].get<std::string>() + "\nAnalysis:"))
      << "a question of three options";
  EXPECT_EQ(file_text(arm("run", "cot-none") / "prices.csv").substr(0, 58),
            "question,A,B,C,D,answer,model_output,model_response,correc");
  // Its kind is in the journal: reading the letters anew finds the same and files it by the same names.
  const std::vector<std::string> files = testing::files_below(dir / "run");
  const std::string before = file_text(arm("run", "cot-none") / "results_refocus.json");
  const ProcessResult again = testing::refocus({"rescore", (dir / "run").string(), "--write"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(testing::files_below(dir / "run"), files);
  EXPECT_EQ(Json::parse(file_text(arm("run", "cot-none") / "results_refocus.json"))["results"],
            Json::parse(before)["results"]);
}

TEST_F(OwnTasks, AskTheExampleOfShortAnswers) {
  const ProcessResult result = eval_well({example("sums.yaml")}, "run");
  EXPECT_THAT(result.out, HasSubstr("sums: 12 questions; right in %"));
  const Json r = results("run", "cot-none");
  EXPECT_GT(r["results"]["sums"]["numeric,none"], 0.7);
  EXPECT_EQ(r["configs"]["sums"]["metric_list"][0]["metric"], "numeric");
  EXPECT_EQ(r["configs"]["sums"]["metadata"]["type"], "short_answer");
  EXPECT_EQ(r["configs"]["sums"]["generation_kwargs"]["until"], Json({". A."}));
  const Json first = json_lines(arm("run", "cot-none") / "samples_sums_refocus.jsonl").front();
  EXPECT_EQ(first["target"], first["doc"]["coins"]);
  EXPECT_EQ(first["metrics"], Json({"numeric"}));
  EXPECT_EQ(first["rule"], "answer_pattern");
  EXPECT_EQ(first["finish_reason"], "stop") << "the text of `until` ends the answer";
  const std::string text = first["resps"][0][0], found = first["filtered_resps"][0];
  EXPECT_EQ(text.find(". A."), std::string::npos);
  EXPECT_EQ(text.substr(first["span"][0], found.size()), found);
  EXPECT_EQ(file_text(arm("run", "cot-none") / "sums.csv").substr(0, 56),
            "question,answer,model_output,model_response,correctness\n");
  expect_failure(testing::refocus({"rescore", (dir / "run").string()}), 1,
                 {"expected answers that are letters", "got those of a short_answer task (sums)"});

  // Without `until` the model goes on.
  std::string yaml = file_text(example("sums.yaml"));
  yaml.replace(yaml.find("until:"), 6, "#");
  write_file(example("sums.yaml"), yaml);
  eval_well({example("sums.yaml")}, "on");
  const Json on = json_lines(arm("on", "cot-none") / "samples_sums_refocus.jsonl").front();
  EXPECT_EQ(on["finish_reason"], "eos");
  EXPECT_EQ(on["resps"][0][0].get<std::string>().substr(0, text.size()), text);
  EXPECT_GT(on["generated_tokens"], first["generated_tokens"]);
}

TEST_F(OwnTasks, WriteTranscriptsOfSeveralTurns) {
  const ProcessResult result =
      eval_well({example("chat.yaml")}, "run", {"--intervene", "none", "--intervene", kRebalance});
  EXPECT_THAT(result.out, HasSubstr("chat: 6 turns, 2 arms; nothing is scored"));
  const auto data = json_lines(example("chat.jsonl"));
  for (const std::string name : {"direct-none", kRebalanceArm}) {
    const auto lines = json_lines(arm("run", name) / "model_answer_chat.jsonl");
    ASSERT_EQ(lines.size(), 3u);
    for (std::size_t q = 0; q < 3; ++q) {
      EXPECT_EQ(lines[q]["question_id"], data[q]["question_id"]);
      EXPECT_EQ(lines[q]["model_id"], "small-worlds-" + name);
      const std::string category = data[q]["category"];
      const auto samples = json_lines(arm("run", name) / ("samples_chat_" + category + "_refocus.jsonl"));
      ASSERT_EQ(samples.size(), 2u);
      const std::string first = lines[q]["choices"][0]["turns"][0];
      EXPECT_EQ(samples[0]["resps"][0][0], first);
      EXPECT_EQ(samples[1]["resps"][0][0], lines[q]["choices"][0]["turns"][1]);
      EXPECT_EQ(samples[1]["arguments"]["gen_args_0"]["arg_0"],
                "several questions. " + data[q]["turns"][0].get<std::string>() + "\nAnalysis: " + first +
                    " next: " + data[q]["turns"][1].get<std::string>() + "\nAnalysis:");
      EXPECT_FALSE(samples[0].contains("acc"));
      EXPECT_THAT(file_text(arm("run", name) / (category + ".csv")),
                  HasSubstr(fmt::format("\n\"{}\",,,", data[q]["turns"][1].get<std::string>())));
    }
  }
  const Json comparison = Json::parse(file_text(dir / "run/comparison.json"));
  const Json all = comparison["tasks"][0]["comparisons"][0]["sets"].back();
  int differing = 0;
  for (const char* category : {"rooms", "coins", "bosses"}) {
    const std::string samples = std::string("samples_chat_") + category + "_refocus.jsonl";
    const auto a = json_lines(arm("run", "direct-none") / samples),
               b = json_lines(arm("run", kRebalanceArm) / samples);
    for (std::size_t t = 0; t < 2; ++t) differing += a[t]["resps"] != b[t]["resps"];
  }
  EXPECT_EQ(all["differing"], differing);
  EXPECT_GT(differing, 0);
  EXPECT_THAT(result.out, HasSubstr("turns differ"));
}

TEST_F(OwnTasks, LeaveATurnWithoutRoomEmpty) {
  eval_well({example("chat.yaml")}, "run", {"--context", "190"});
  const auto samples = json_lines(arm("run", "direct-none") / "samples_chat_coins_refocus.jsonl");
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_NE(samples[0]["resps"][0][0], "");
  EXPECT_GE(samples[1]["prompt_tokens"], 190);
  EXPECT_EQ(samples[1]["resps"][0][0], "");
  EXPECT_EQ(samples[1]["finish_reason"], "length");
  EXPECT_EQ(json_lines(arm("run", "direct-none") / "model_answer_chat.jsonl").size(), 3u);
}

TEST_F(OwnTasks, KilledAndBegunAgainGiveTheSameBytes) {
  const Arguments tasks = {example("chat.yaml"), example("quiz.yaml")};
  const Arguments arms = {"--direct", "--intervene", "none", "--intervene", kRebalance};
  const ProcessResult whole = eval_well(tasks, "whole", arms);
  const Arguments ways[] = {{"--batch", "1", "--threads", "1"}, {"--batch", "3"}, {"--threads", "1"}};
  const auto answers = [&]() -> std::int64_t {
    if (!fs::exists(dir / "run/journal.db")) return 0;
    try {
      return Journal::open_read_only(dir / "run").count();
    } catch (const InputError&) {
      return 0;  // the program is just making its tables
    }
  };
  int kills = 0;
  ProcessResult last;
  for (int session = 0; session < 30 && last.status != 0; ++session) {
    Process process(arguments(tasks, "run", plus(arms, ways[session % 3])));
    const std::int64_t enough = answers() + 2 + session % 3;
    while (process.running() && answers() < enough) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (session < 8) process.send(SIGKILL);
    last = process.wait();
    kills += last.signal == SIGKILL;
  }
  EXPECT_EQ(last.status, 0) << last.err;
  EXPECT_GE(kills, 2);
  const std::vector<std::string> names = testing::files_below(dir / "whole/arms");
  EXPECT_EQ(testing::files_below(dir / "run/arms"), names);
  EXPECT_EQ(names.size(), 2u * (3 + 3 + 1 + 4 + 4 + 1));
  for (const std::string& name : names) {
    EXPECT_EQ(file_text(dir / "run/arms" / name), file_text(dir / "whole/arms" / name)) << name;
  }
  EXPECT_EQ(file_text(dir / "run/comparison.json"), file_text(dir / "whole/comparison.json"));
}

TEST_F(OwnTasks, CompareWithoutTheirFiles) {
  const Arguments arms = {"--intervene", "none", "--intervene", "rebalance:alpha=8"};
  std::string yaml = file_text(example("sums.yaml"));
  yaml.replace(yaml.find("metric: numeric\ntolerance: 0"), 28, "metric: f1");
  write_file(example("words.yaml"), yaml.replace(yaml.find("task: sums"), 10, "task: words"));
  for (const std::string name : {"quiz", "sums", "words", "chat"}) {
    eval_well({example(name + ".yaml")}, name, arms);
  }
  fs::remove_all(dir / "examples");
  for (const std::string name : {"quiz", "sums", "words", "chat"}) {
    const ProcessResult result = testing::refocus({"compare", (dir / name).string(), "--json"});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(Json::parse(result.out), Json::parse(file_text(dir / name / "comparison.json")));
    EXPECT_EQ(testing::refocus({"compare", (dir / name).string(), "--csv", (dir / "x.csv").string()}).status,
              0);
  }
  const Json comparison = Json::parse(file_text(dir / "sums/comparison.json"));
  const Json pair = comparison["tasks"][0]["comparisons"][0];
  ASSERT_GT(pair["sets"].back()["broken"], 0) << "alpha=8 should break something";
  const Json flip = pair["flips"][0];
  const ProcessResult list = testing::refocus({"compare", (dir / "sums").string(), "--flips"});
  EXPECT_THAT(list.out, HasSubstr("right in % with 95% interval"));
  EXPECT_THAT(list.out, HasSubstr("right " + flip["label"].get<std::string>() + ", " +
                                  flip["baseline"].get<std::string>() + " -> "));
  const Json words = Json::parse(file_text(dir / "words/comparison.json"))["tasks"][0];
  EXPECT_EQ(words["sets"][0]["arms"][0]["f1"], results("words", "cot-none")["results"]["words"]["f1,none"]);
  EXPECT_THAT(testing::refocus({"compare", (dir / "words").string()}).out,
              ::testing::AllOf(HasSubstr("exact match in %"), HasSubstr("F1")));
}

TEST_F(OwnTasks, StandBesideBuiltInOnes) {
  const ProcessResult result = eval_well({"worlds", example("sums.yaml")}, "run", {"--limit", "2"});
  EXPECT_THAT(result.out,
              ::testing::AllOf(HasSubstr("worlds: 56 questions"), HasSubstr("sums: 2 questions")));
  const Json run = Json::parse(file_text(dir / "run/run.json"))["identity"];
  EXPECT_TRUE(run["prompts"].contains("worlds"));
  EXPECT_FALSE(run["prompts"].contains("sums"));
  EXPECT_EQ(run["task_files"]["sums"]["answer"], "coins");
  expect_refused(eval({"worlds", example("quiz.yaml")}, "bad"), 2,
                 {"expected tasks without a common subject, got 'jobs' in worlds and quiz"});
  eval_well({example("quiz.yaml")}, "jobs", {"--subjects", "jobs,prices", "--limit", "1"});
  EXPECT_EQ(results("jobs", "cot-none")["results"]["quiz"]["n"], 2);
}

TEST_F(OwnTasks, ScoreOptionsByLogLikelihood) {
  eval_well({example("quiz.yaml")}, "run", {"--loglikelihood"});
  const auto samples = json_lines(arm("run", "loglikelihood-none") / "samples_quiz_prices_refocus.jsonl");
  EXPECT_EQ(samples[0]["arguments"].size(), 4u);
  ASSERT_EQ(samples[1]["arguments"].size(), 3u);
  EXPECT_EQ(samples[1]["arguments"]["gen_args_2"]["arg_1"], " C");
  EXPECT_FALSE(samples[1].contains("acc_norm"));
  std::string yaml = file_text(example("quiz.yaml"));
  yaml.replace(yaml.find(" {letter}"), 9, " {option}");
  write_file(example("quiz.yaml"), yaml);
  expect_failure(eval({example("quiz.yaml")}, "run", {"--loglikelihood"}), 1,
                 {"task_files.quiz.loglikelihood.option"});
  eval_well({example("quiz.yaml")}, "texts", {"--loglikelihood"});
  EXPECT_TRUE(results("texts", "loglikelihood-none")["results"]["quiz"].contains("acc_norm,none"));
  expect_refused(eval({example("sums.yaml")}, "bad", {"--loglikelihood"}), 2,
                 {"[--loglikelihood] expected tasks with options, got the short_answer task sums"});
  expect_refused(eval({example("chat.yaml")}, "bad", {"--loglikelihood"}), 2, {"the transcript task chat"});
  write_file(example("quiz.yaml"), yaml.substr(0, yaml.find("loglikelihood:")));
  expect_refused(eval({example("quiz.yaml")}, "bad", {"--loglikelihood"}), 2, {"a section 'loglikelihood'"});
}

TEST_F(OwnTasks, WithOptionsAloneAreAskedForTheirLogLikelihoods) {
  write_file(dir / "options.yaml",
             "dataset: examples/questions.csv\noptions: [A, B, C, D]\nanswer: answer\n"
             "loglikelihood:\n  context: '{question}'\n");
  const std::string options = (dir / "options.yaml").string();
  eval_well({options}, "by_itself");
  eval_well({options}, "asked", {"--loglikelihood"});
  const fs::path samples = fs::path("samples_options_refocus.jsonl");
  EXPECT_EQ(file_text(arm("by_itself", "loglikelihood-none") / samples),
            file_text(arm("asked", "loglikelihood-none") / samples));
  expect_refused(eval({options}, "bad", {"--direct"}), 2,
                 {"[--direct] expected tasks with a section 'direct', got options without",
                  "or ask with eval --loglikelihood"});
  expect_refused(testing::refocus({"study", options, "-m", "small-worlds", "-o", (dir / "bad").string()}), 2,
                 {"a section 'cot', got options without"});
}

TEST_F(OwnTasks, AreResumedOnlyWithTheSameFileAndData) {
  eval_well({example("sums.yaml")}, "run");
  const std::string yaml = file_text(example("sums.yaml")), data = file_text(example("sums.jsonl"));
  write_file(example("sums.yaml"), "# another comment\n" + yaml);
  eval_well({example("sums.yaml")}, "run");
  std::string other = yaml;
  write_file(example("sums.yaml"), other.replace(other.find("tolerance: 0"), 12, "tolerance: 1"));
  expect_failure(eval({example("sums.yaml")}, "run"), 1, {"task_files.sums.tolerance", "\"0\"", "\"1\""});
  write_file(example("sums.yaml"), yaml);
  other = data;
  const std::size_t coins = other.find("\"coins\": ") + 9;
  other[coins] = other[coins] == '1' ? '2' : '1';
  write_file(example("sums.jsonl"), other);
  expect_failure(eval({example("sums.yaml")}, "run"), 1, {"the data have changed"});
}

TEST_F(OwnTasks, TakeHostileData) {
  const std::string huge(3000, 'x');
  write_file(dir / "h.jsonl",
             "\xEF\xBB\xBF"
             R"({"q":"{q} {options} {{ }} \u0000 \r\n é","a":"\u0000{"})"
             "\r\n"
             R"({"q":"a,\"b\"\nc","a":["\\n","]"]})"
             "\r\n"
             "{\"q\":\"" +
                 huge + "\",\"a\":\"x\"}\r\n");
  write_file(dir / "h.yaml",
             "\xEF\xBB\xBF"
             "dataset: h.jsonl\r\nanswer: a\r\nmetric: exact_match\r\n"
             "prompt: \"Q {{{q}}}:\"\r\n");
  const Arguments few = {"--max-new-tokens", "3", "--context", "4096"};
  eval_well({(dir / "h.yaml").string()}, "run", few);
  const auto samples = json_lines(arm("run", "direct-none") / "samples_h_refocus.jsonl");
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[0]["arguments"]["gen_args_0"]["arg_0"],
            std::string("Q {{q} {options} {{ }} \0 \r\n é}:", 32));
  EXPECT_EQ(samples[0]["target"], std::string("\0{", 2));
  EXPECT_EQ(samples[1]["target"], Json({"\\n", "]"}));
  eval_well({(dir / "h.yaml").string()}, "run", few);
  EXPECT_EQ(testing::refocus({"compare", (dir / "run").string(), (dir / "run").string()}).status, 0);
}

TEST_F(OwnTasks, BadInputIsOneClearLineAndWritesNothing) {
  const auto refused = [&](const std::string& yaml, const std::vector<std::string>& parts) {
    write_file(dir / "b.yaml", yaml);
    expect_refused(eval({(dir / "b.yaml").string()}, "bad"), 1, parts);
  };
  const std::string head = "dataset: examples/questions.csv\noptions: [A, B, C, D]\nprompt: '{options}'\n";
  refused("task: [x\n", {"b.yaml:2:1] expected YAML"});
  refused(head + "anser: answer\n", {"b.yaml:4] unknown key 'anser'", "known keys: task, type"});
  refused(head + "metric: bleu\n", {"b.yaml:4] unknown metric 'bleu'; known ones: accuracy"});
  refused("dataset: none.csv\noptions: [A, B]\nprompt: x\n", {"b.yaml:1]", "none.csv", "no such file"});
  refused(head + "answer: question\n",
          {"questions.csv row 1 (line 2)] expected a letter from A to D in field"});
  refused(head + "subject_field: question\n",
          {"questions.csv row 1", "expected a subject fit for a file name"});
  refused("dataset: examples/questions.csv\noptions: [A, C, B, topik]\nprompt: x\nanswer: topik\n",
          {"questions.csv row 1", "expected a field 'topik'"});
  expect_refused(eval({(dir / "none.yaml").string()}, "bad"), 1,
                 {"none.yaml] expected a task file, got no such"});
  expect_refused(eval({example("")}, "bad"), 2, {"or a task file", "got a directory"});
  expect_refused(eval({"quizz"}, "bad"), 2, {"unknown task 'quizz'", "a file that ends in .yaml"});
  const std::string quiz = example("quiz.yaml");
  expect_refused(eval({quiz, quiz}, "bad"), 2, {"expected each task once, got quiz twice"});
  fs::copy(quiz, example("copy.yaml"));
  expect_refused(eval({quiz, example("copy.yaml")}, "bad"), 2, {"got quiz twice"});
  expect_refused(eval({quiz}, "bad", {"--subjects", "job"}), 2,
                 {"[quiz] unknown subject 'job'", "jobs, prices"});
  expect_refused(eval({example("sums.yaml")}, "bad", {"--subjects", "x"}), 2, {"[--subjects]", "got none"});
  expect_refused(eval({example("sums.yaml")}, "bad", {"--direct"}), 2,
                 {"[--direct] expected tasks with a section 'direct', got sums without", "--cot"});
  expect_refused(eval({example("chat.yaml")}, "bad", {"--cot"}), 2, {"a section 'cot', got chat without"});
  expect_refused(eval({example("chat.yaml")}, "bad", {"--context", "16"}), 1,
                 {"expected prompts of fewer than 16"});
  expect_refused(eval({quiz}, "bad", {"--loglikelihood", "--shots", "1"}), 2,
                 {"mmlu, piqa or siqa", "got quiz"});
  // Names of results that only together stand for two things.
  write_file(dir / "quiz_jobs.yaml", head);
  expect_refused(eval({quiz, (dir / "quiz_jobs.yaml").string()}, "bad", {"--direct"}), 2,
                 {"a common name of results, got 'quiz_jobs' in quiz and quiz_jobs"});
  write_file(dir / "d.csv", "q,A,B,topic\nQ,x,y,else\n");
  write_file(dir / "quiz_jobs.yaml",
             "dataset: d.csv\noptions: [A, B]\nprompt: '{q}'\nsubject_field: topic\n");
  expect_refused(eval({quiz, (dir / "quiz_jobs.yaml").string()}, "bad", {"--direct"}), 2,
                 {"a common name of results, got 'quiz_jobs' in quiz and quiz_jobs"});
}

}  // namespace
}  // namespace refocus
