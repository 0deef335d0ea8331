// Runs that grow: by items, subjects, arms and tasks, in the directory that is there.
#include <algorithm>

#include "cli/cli_support.h"
#include "eval/journal/verdict_file.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::eval_arguments;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;
using testing::plus;
using testing::ProcessResult;
namespace fs = std::filesystem;

const Arguments kBoth = {"--intervene", "none", "--intervene", "rebalance"};

class GrownRuns : public ::testing::Test {
 protected:
  void SetUp() override {
    REFOCUS_NEEDS_SHARED(testing::kSmallModel);
    data = testing::write_tasks(dir / "data");
  }
  ProcessResult eval(const char* run, const Arguments& more) {
    return testing::refocus(eval_arguments(data, dir / run, plus(more, {"--max-new-tokens", "8"})));
  }
  // What the program said on standard error, in a run that succeeds.
  std::string grown(const char* run, const Arguments& more) {
    const ProcessResult result = eval(run, more);
    EXPECT_EQ(result.status, 0) << result.err;
    return result.err;
  }
  testing::TempDir dir;
  fs::path data;
};

TEST_F(GrownRuns, EqualThoseThatWereWholeFromTheBeginning) {
  const Arguments one = {"mmlu", "--subjects", "anatomy", "--limit", "1"};
  const Arguments three = {"mmlu", "--subjects", "anatomy", "--limit", "3"};
  const Arguments all = {"mmlu", "piqa", "--limit", "3"};
  EXPECT_THAT(grown("run", one), Not(HasSubstr("going on")));
  EXPECT_THAT(grown("run", three), HasSubstr(", 1 answers are there; new: 2 questions\n"));
  EXPECT_THAT(grown("run", plus(three, kBoth)), HasSubstr(", 3 answers are there; new: 1 arm\n"));
  EXPECT_THAT(grown("run", plus(all, kBoth)),
              HasSubstr(", 6 answers are there; new: 1 task, 2 subjects, 6 questions\n"));
  EXPECT_THAT(grown("run", plus(all, kBoth)), HasSubstr(", 18 answers are there\n"));
  grown("whole", plus(all, kBoth));
  testing::expect_same_reports(dir / "run", dir / "whole", 14);
  const auto identity = [&](const char* run) {
    return Json::parse(file_text(dir / run / "run.json"))["identity"];
  };
  EXPECT_EQ(identity("run"), identity("whole"));
  EXPECT_EQ(Json::parse(file_text(dir / "run" / "run.json"))["sessions"].size(), 5u);
}

TEST_F(GrownRuns, DoNotShrinkAndSayWhatIsMissing) {
  grown("run", plus({"mmlu", "--limit", "2"}, kBoth));
  const std::string before = file_text(dir / "run" / "run.json");
  expect_failure(eval("run", plus({"mmlu", "--limit", "1"}, kBoth)), 1,
                 {"expected at least the 2 items of anatomy that the run has, got 1;", "raise --limit"});
  expect_failure(eval("run", plus({"mmlu", "--limit", "2", "--subjects", "anatomy"}, kBoth)), 1,
                 {"expected all subjects of the run", "none called sociology;", "name that subject too"});
  expect_failure(eval("run", {"mmlu", "--limit", "2"}), 1,
                 {"expected all arms of the run", "got none called cot-rebalance", "name that arm too"});
  // Another question among the old ones, though there are more.
  testing::write_file(data / "mmlu/test/anatomy_test.csv",
                      "a,1,2,3,4,A\nx,1,2,3,4,A\nc,1,2,3,4,A\nd,1,2,3,4,A\n");
  expect_failure(eval("run", plus({"mmlu", "--limit", "4"}, kBoth)), 1,
                 {"expected the first 2 items of anatomy", "the data have changed"});
  EXPECT_EQ(file_text(dir / "run" / "run.json"), before);
}

TEST_F(GrownRuns, NamedArmsKeepWhatTheirNamesStandFor) {
  const auto named = [](const char* spec) { return Arguments{"piqa", "--limit", "1", "--intervene", spec}; };
  grown("run", named("a=rebalance:alpha=0.1"));
  grown("run", plus(named("a=rebalance:alpha=0.1"), {"--intervene", "b=rebalance:alpha=0.2"}));
  expect_failure(eval("run", plus(named("a=rebalance:alpha=0.3"), {"--intervene", "b=rebalance:alpha=0.2"})),
                 1, {"named_arms.a"});
}

TEST_F(GrownRuns, WithoutADirectoryGoOnWhereTheyCan) {
  const auto run = [&](const Arguments& more, const char* tokens = "8") {
    Arguments arguments = eval_arguments(data, "x", plus(more, {"--max-new-tokens", tokens}));
    arguments.erase(std::ranges::find(arguments, "-o"), std::ranges::find(arguments, "-o") + 2);
    const ProcessResult result = testing::refocus(arguments, {.directory = dir.path()});
    EXPECT_EQ(result.status, 0) << result.err;
    const std::size_t at = result.out.find("Answers and results: ") + 21;
    return result.out.substr(at, result.out.find('\n', at) - at);
  };
  const std::string first = run({"mmlu", "--subjects", "anatomy", "--limit", "1"});
  EXPECT_EQ(run({"mmlu", "--subjects", "anatomy", "--limit", "2"}), first);
  EXPECT_EQ(run({"mmlu", "--subjects", "sociology", "--limit", "1"}), first + "-2");
  EXPECT_EQ(run(plus({"mmlu", "--subjects", "anatomy", "--limit", "2"}, kBoth)), first);
  EXPECT_EQ(run({"mmlu", "--subjects", "sociology", "--limit", "1"}), first + "-2");
  EXPECT_NE(run({"mmlu", "--subjects", "anatomy", "--limit", "2"}, "7").find(first), 0u);
}

TEST_F(GrownRuns, LogLikelihoodsToo) {
  const auto scored = [](const char* limit) {
    return Arguments{"mmlu", "piqa", "--loglikelihood", "--limit", limit};
  };
  const auto run = [&](const char* out, const Arguments& more) {
    const ProcessResult result = testing::refocus(eval_arguments(data, dir / out, more));
    EXPECT_EQ(result.status, 0) << result.err;
    return result.err;
  };
  run("run", {"mmlu", "--loglikelihood", "--limit", "1", "--subjects", "anatomy"});
  EXPECT_THAT(run("run", scored("2")),
              HasSubstr(", 1 answers are there; new: 1 task, 2 subjects, 5 questions\n"));
  EXPECT_THAT(run("run", plus(scored("3"), kBoth)),
              HasSubstr(", 6 answers are there; new: 1 arm, 3 questions\n"));
  run("whole", plus(scored("3"), kBoth));
  testing::expect_same_reports(dir / "run", dir / "whole", 14);
}

// Perplexities of texts, as tasks of lm-evaluation-harness.
TEST_F(GrownRuns, RollingLogLikelihoodsToo) {
  testing::write_file(dir / "d.jsonl",
                      "{\"t\": \"The blue crate.\"}\n{\"t\": \"A red box.\"}\n{\"t\": \"No.\"}\n");
  testing::write_file(
      dir / "rolling.yaml",
      "task: rolling\ndataset_path: json\ndataset_kwargs: {data_files: {test: d.jsonl}}\ntest_split: "
      "test\noutput_type: loglikelihood_rolling\ndoc_to_text: ''\ndoc_to_target: '{{t}}'\n"
      "metric_list: [{metric: word_perplexity}]\n");
  const auto run = [&](const char* out, const Arguments& more) {
    const ProcessResult result = testing::refocus(plus(
        {"eval", (dir / "rolling.yaml").string(), "-m", "small-worlds", "-o", (dir / out).string()}, more));
    EXPECT_EQ(result.status, 0) << result.err;
    return result.err;
  };
  run("run", {"--limit", "1"});
  EXPECT_THAT(run("run", kBoth), HasSubstr(", 1 answers are there; new: 1 arm, 2 questions\n"));
  run("whole", kBoth);
  testing::expect_same_reports(dir / "run", dir / "whole", testing::files_below(dir / "whole/arms").size());
}

// What a person read stays with the answers, and counts in what is written anew.
TEST_F(GrownRuns, KeepVerdicts) {
  grown("run", {"mmlu", "--subjects", "anatomy", "--limit", "1"});
  const fs::path verdicts = dir / "verdicts.jsonl";
  std::string response;
  Journal::open_read_only(dir / "run").for_each("cot-none", [&](const Response& r) { response = r.text; });
  testing::write_file(verdicts, verdict_line({"cot-none",
                                              "anatomy",
                                              0,
                                              'C',
                                              false,
                                              {},
                                              {},
                                              "me",
                                              "2026-01-31T12:00:00Z",
                                              response_hash(response)}) +
                                    "\n");
  ASSERT_EQ(
      testing::refocus({"rescore", (dir / "run").string(), "--import-verdicts", verdicts.string()}).status,
      0);
  grown("run", plus({"mmlu", "--limit", "2"}, kBoth));
  const Json results = Json::parse(file_text(dir / "run/arms/cot-none/results_refocus.json"));
  EXPECT_EQ(results["results"]["mmlu_anatomy"]["manual"], 1);
  EXPECT_EQ(results["results"]["mmlu_anatomy"]["n"], 2);
  const ProcessResult audit = testing::refocus({"rescore", (dir / "run").string(), "--json"});
  EXPECT_EQ(audit.status, 0) << audit.err;
  const std::string exported = (dir / "again.jsonl").string();
  ASSERT_EQ(testing::refocus({"rescore", (dir / "run").string(), "--export-verdicts", exported}).status, 0);
  EXPECT_EQ(file_text(exported), file_text(verdicts));
}

TEST_F(GrownRuns, SearchesForHeadsToo) {
  const auto heads = [&](const char* run, const char* limit) {
    const ProcessResult result =
        testing::refocus({"heads", std::string(REFOCUS_SOURCE) + "/examples/facts.yaml", "-m",
                          testing::bundled_model().string(), "--limit", limit, "--top", "1", "--draws", "2",
                          "-o", (dir / run).string()});
    EXPECT_EQ(result.status, 0) << result.err;
    return result.err;
  };
  heads("run", "10");
  EXPECT_THAT(heads("run", "14"), HasSubstr("answers are there; new: 4 questions\n"));
  heads("whole", "14");
  EXPECT_EQ(file_text(dir / "run" / "tried.csv"), file_text(dir / "whole" / "tried.csv"));
  EXPECT_EQ(file_text(dir / "run" / "tested.csv"), file_text(dir / "whole" / "tested.csv"));
}

}  // namespace
}  // namespace refocus
