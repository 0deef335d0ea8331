// Reading finished runs back, and refusing what is unfinished, damaged or not comparable.
#include "eval/score/finished_run.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/text_file.h"
#include "eval/recording_support.h"
#include "eval/score/comparison.h"
#include "eval/toy_run.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempDir;
using testing::ToyRun;
using testing::write_toy_run;
namespace fs = std::filesystem;

ToyRun finished_toy() {
  ToyRun run;
  run.tasks = {testing::toy_mmlu({{"anatomy", 3}, {"philosophy", 2}})};
  run.arms = {{PromptKind::kCot, "none", {{"anatomy", "aB?"}, {"philosophy", "BB"}}},
              {PromptKind::kDirect, "none", {{"anatomy", "BBB"}, {"philosophy", "AB"}}}};
  return run;
}

class FinishedRun : public ::testing::Test {
 protected:
  fs::path written(const ToyRun& run) {
    const fs::path path = dir / ("run" + std::to_string(++runs_));
    write_toy_run(path, run);
    return path;
  }
  std::string refused(const ToyRun& first, const ToyRun& second) {
    const fs::path a = written(first), b = written(second);
    return error_of([&] { compare_runs(read_finished_run(a), read_finished_run(b), {}); });
  }
  TempDir dir;

 private:
  int runs_ = 0;
};

TEST_F(FinishedRun, ComesBackAsItWasJudged) {
  const std::vector<FinishedArm> arms = read_finished_run(written(finished_toy()));
  ASSERT_EQ(arms.size(), 2u);
  EXPECT_EQ(arms[0].name, "cot-none");
  EXPECT_EQ(arms[0].prompt, "cot");
  EXPECT_EQ(arms[1].prompt, "direct");
  EXPECT_EQ(arms[0].intervention, "none");
  EXPECT_EQ(arms[0].rules, "anchored");
  ASSERT_EQ(arms[0].tasks.size(), 1u);
  const FinishedTask& task = arms[0].tasks[0];
  EXPECT_EQ(task.task->name, "mmlu");
  EXPECT_THAT(task.task->subjects, ::testing::ElementsAre("anatomy", "philosophy"));
  ASSERT_EQ(task.answers.answers.size(), 5u);
  const Answer& cut = task.answers.answers[0];
  EXPECT_EQ(cut.item, &task.task->items[0]);
  EXPECT_EQ(cut.item->label, 'B');
  EXPECT_EQ(cut.extraction.letter, 'A');
  EXPECT_EQ(cut.correct, false);
  EXPECT_EQ(cut.response.finish_reason, "length");
  EXPECT_TRUE(cut.unfinished);
  EXPECT_FALSE(task.answers.answers[1].unfinished);
  EXPECT_EQ(cut.response.text, "A because of cot-none");
  EXPECT_EQ(cut.response.generated_tokens, 3);
  EXPECT_FALSE(task.answers.answers[2].extraction.letter);
  EXPECT_EQ(task.answers.answers[4].item->subject, "philosophy");
  EXPECT_EQ(task.answers.answers[4].correct, true);
  EXPECT_EQ(task.hashes[0].size(), 64u);
  EXPECT_NE(task.hashes[0], task.hashes[1]);
}

// Files of older versions do not say which answers are unfinished; the prompt and the text beside it do.
TEST_F(FinishedRun, TellsUnfinishedAnswersOfOlderFiles) {
  const fs::path run = written(finished_toy());
  const fs::path samples = run / "arms/cot-none/samples_mmlu_anatomy_refocus.jsonl";
  std::istringstream in(read_text_file(samples));
  std::string all;
  for (std::string line; std::getline(in, line);) {
    auto sample = nlohmann::ordered_json::parse(line);
    sample.erase("unfinished");
    if (sample["doc_id"] == 1) sample["arguments"]["gen_args_0"]["arg_0"] = "Q\nAnalysis:";
    all += sample.dump() + "\n";
  }
  write_file_atomically(samples, all);
  const std::vector<FinishedArm> arms = read_finished_run(run);
  const std::vector<Answer>& answers = arms[0].tasks[0].answers.answers;
  EXPECT_TRUE(answers[0].unfinished);  // cut off
  EXPECT_TRUE(answers[1].unfinished);  // ended by itself within the analysis
  EXPECT_FALSE(answers[2].unfinished);
  EXPECT_TRUE(answers[1].response.prompt.empty()) << "prompts are left out";
}

TEST_F(FinishedRun, SeveralTasksKeepTheirSubjects) {
  ToyRun run = finished_toy();
  Task piqa{"piqa", {"physicaliqa"}, {}}, siqa{"siqa", {"socialiqa"}, {}};
  for (Task* task : {&piqa, &siqa}) {
    Item item;
    item.subject = task->subjects[0];
    item.fields = {{"goal", "x"}};
    item.choices = {"one", "two"};
    item.label = 'A';
    task->items = {item};
    for (testing::ToyArm& arm : run.arms) arm.answers[item.subject] = "A";
  }
  run.tasks.push_back(piqa);
  run.tasks.push_back(siqa);
  const std::vector<FinishedArm> arms = read_finished_run(written(run));
  ASSERT_EQ(arms[0].tasks.size(), 3u);
  EXPECT_THAT(arms[0].tasks[1].task->subjects, ::testing::ElementsAre("physicaliqa"));
  EXPECT_THAT(arms[0].tasks[2].task->subjects, ::testing::ElementsAre("socialiqa"));
  EXPECT_EQ(arms[0].tasks[2].answers.answers.size(), 1u);
}

TEST_F(FinishedRun, RefusesWhatIsNotFinished) {
  const fs::path missing = written(finished_toy());
  fs::remove(missing / "arms/direct-none/results_refocus.json");
  EXPECT_THAT(
      error_of([&] { read_finished_run(missing); }),
      AllOf(HasSubstr("direct-none"), HasSubstr("finished arm"), HasSubstr("repeat the eval command")));
  ToyRun run = finished_toy();
  run.arms[1].answers["philosophy"] = "A";
  EXPECT_THAT(error_of([&] { read_finished_run(written(run)); }),
              AllOf(HasSubstr("samples_mmlu_philosophy"), HasSubstr("all 2 items, got 1"),
                    HasSubstr("not finished")));
  EXPECT_THAT(error_of([&] { read_finished_run(dir / "nowhere"); }), HasSubstr("give a run directory"));
}

TEST_F(FinishedRun, RefusesDamageWithFileAndLine) {
  const fs::path run = written(finished_toy());
  const fs::path file = run / "arms/cot-none/samples_mmlu_anatomy_refocus.jsonl";
  const std::string good = read_text_file(file);
  const std::size_t second = good.find('\n') + 1;
  const std::vector<std::string> bad = {
      good.substr(0, second) + "{\"doc_id\": 1",
      good.substr(0, second) + "[]\n",
      good.substr(0, second) + "\n" + good.substr(second),
      good.substr(0, second) + good,
      good.substr(0, second) + "{\"doc_id\":-1}\n",
      good.substr(0, second) + std::string("\xff\xfe\0\n", 4),
  };
  for (const std::string& text : bad) {
    write_file_atomically(file, text);
    EXPECT_THAT(error_of([&] { read_finished_run(run); }), HasSubstr(file.string() + ":2]")) << text;
  }
  write_file_atomically(file, good.substr(0, good.size() / 2));
  error_of([&] { read_finished_run(run); });
  write_file_atomically(file, good);
  read_finished_run(run);
  write_file_atomically(file, good.substr(0, second) + "{\"doc_id\":1}\n");
  EXPECT_THAT(error_of([&] { read_finished_run(run); }),
              HasSubstr("got one where a field is missing; repeat"));
  write_file_atomically(file, good);
  write_file_atomically(run / "arms/cot-none/results_refocus.json", "{\"config\":{\"prompt\":3}}");
  EXPECT_THAT(error_of([&] { read_finished_run(run); }),
              HasSubstr("results_refocus.json] expected a text as 'config.prompt', got a number 3; repeat"));
  for (const char* text : {"", "[]", "{}", "{\"config\":3}"}) {
    write_file_atomically(run / "arms/cot-none/results_refocus.json", text);
    EXPECT_THAT(error_of([&] { read_finished_run(run); }), HasSubstr("results_refocus.json")) << text;
  }
}

TEST_F(FinishedRun, RefusesArmsOverOtherItems) {
  ToyRun other = finished_toy();
  other.tasks[0].items[1].fields[0].second = "another question";
  EXPECT_THAT(refused(finished_toy(), other),
              AllOf(HasSubstr("the same items"), HasSubstr("anatomy item 1")));
  other = finished_toy();
  other.tasks[0].items[3].label = 'C';
  EXPECT_THAT(refused(finished_toy(), other), HasSubstr("philosophy item 0"));
  other = finished_toy();
  other.tasks[0].items.pop_back();
  EXPECT_THAT(refused(finished_toy(), other), AllOf(HasSubstr("got 5 of mmlu"), HasSubstr("and 4")));
  other = finished_toy();
  other.tasks[0] = testing::toy_mmlu({{"anatomy", 3}, {"sociology", 2}});
  for (testing::ToyArm& arm : other.arms) arm.answers["sociology"] = "BB";
  EXPECT_THAT(refused(finished_toy(), other),
              AllOf(HasSubstr("philosophy item 0"), HasSubstr("sociology item 0")));
}

TEST_F(FinishedRun, RefusesArmsReadByOtherRules) {
  ToyRun other = finished_toy();
  other.rules = "published";
  EXPECT_THAT(refused(finished_toy(), other),
              AllOf(HasSubstr("anchored"), HasSubstr("published"), HasSubstr("--rules")));
}

TEST_F(FinishedRun, RefusesASingleArm) {
  ToyRun one = finished_toy();
  one.arms.pop_back();
  const fs::path path = written(one);
  EXPECT_THAT(error_of([&] { compare_runs(read_finished_run(path), {}, {}); }),
              AllOf(HasSubstr("one (cot-none)"), HasSubstr("second run")));
}

}  // namespace
}  // namespace refocus
