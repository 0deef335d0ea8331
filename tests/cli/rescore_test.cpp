// refocus rescore as a process: what it shows and writes, a review through a pipe and at a terminal, and what
// it refuses.
#include <csignal>

#include "cli/cli_support.h"
#include "cli/pty_process.h"
#include "eval/audited_run.h"
#include "eval/journal/journal.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;
using testing::ProcessResult;
using testing::PtyProcess;
using testing::TempDir;
namespace fs = std::filesystem;

class Rescore : public ::testing::Test {
 protected:
  void SetUp() override { testing::write_audited_run(run); }
  ProcessResult rescore(const Arguments& more, const std::string& input = "") const {
    return testing::refocus(testing::plus({"rescore", run.string()}, more), {.input = input});
  }
  std::vector<Verdict> verdicts() const { return Journal::open_read_only(run).verdicts(); }
  std::string letters() const {
    std::string out;
    for (const Verdict& verdict : verdicts()) out += verdict.letter.value_or('-');
    return out;
  }
  TempDir dir;
  const fs::path run = dir / "run";
};

TEST_F(Rescore, ShowsBothRuleSetsAndWritesNothing) {
  const auto before = testing::files_below(run);
  const ProcessResult shown = rescore({});
  EXPECT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out,
              HasSubstr("cot-none: 5 responses\n"
                        "  rules          right  accuracy    95% interval  no letter  unfinished\n"
                        "  anchored           2     40.0%    [11.8, 76.9]          1           0\n"
                        "  published          2     40.0%    [11.8, 76.9]          0           0\n"));
  EXPECT_THAT(shown.out, Not(HasSubstr("philosophy 0")));
  EXPECT_THAT(rescore({"--list"}).out,
              HasSubstr("philosophy 0: anchored -, published A (most_similar), right D\n"));
  const Json json = testing::one_json_line(rescore({"--json", "--list"}));
  EXPECT_EQ(json["arms"][0]["agreement"]["different"], 3);
  EXPECT_EQ(json["arms"][1]["anchored"]["accuracy"], 1.0);
  EXPECT_EQ(json["disagreements"].size(), 4u);
  EXPECT_TRUE(json["written"].is_null());
  EXPECT_THAT(rescore({"--rules", "published"}).out,
              HasSubstr("By the published rules\n\nmmlu: 5 questions, 2 arms"));
  EXPECT_EQ(fs::exists(run / "arms"), false);
  EXPECT_EQ(testing::files_below(run).size(), before.size());
}

TEST_F(Rescore, WritesWhatAnEvaluationWrites) {
  REFOCUS_NEEDS_SHARED(testing::kSmallModel);
  const fs::path data = testing::write_tasks(dir / "data"), first = dir / "first", second = dir / "second";
  const Arguments arms = {"mmlu", "--cot", "--direct", "--max-new-tokens", "12"};
  const auto evaluate = [&](const fs::path& at, const Arguments& more) {
    const ProcessResult result =
        testing::refocus(testing::eval_arguments(data, at, testing::plus(arms, more)));
    EXPECT_EQ(result.status, 0) << result.err;
  };
  evaluate(first, {});
  fs::copy(first, second, fs::copy_options::recursive);
  evaluate(second, {"--rules", "published"});
  fs::remove_all(data);
  fs::remove_all(first / "arms");
  testing::write_file(
      dir / "profile.json",
      R"({"name":"p","extraction":"published","tasks":{"mmlu":{"body":"{question}","cot_suffix":"x","direct_suffix":"y"}}})");
  const ProcessResult written =
      testing::refocus({"rescore", first.string(), "--profile", (dir / "profile.json").string(), "--write"});
  EXPECT_EQ(written.status, 0) << written.err;
  EXPECT_THAT(written.out, HasSubstr("Reports written by the published rules"));
  const auto files = testing::files_below(first / "arms");
  EXPECT_GT(files.size(), 4u);
  EXPECT_EQ(files, testing::files_below(second / "arms"));
  for (const std::string& file : files) {
    EXPECT_EQ(file_text(first / "arms" / file), file_text(second / "arms" / file)) << file;
  }
  EXPECT_EQ(file_text(first / "comparison.json"), file_text(second / "comparison.json"));
}

TEST_F(Rescore, VerdictsSurviveAResumedEvaluation) {
  REFOCUS_NEEDS_SHARED(testing::kSmallModel);
  const fs::path data = testing::write_tasks(dir / "data"), at = dir / "evaluated";
  const Arguments arguments =
      testing::eval_arguments(data, at, {"mmlu", "--direct", "--max-new-tokens", "6"});
  EXPECT_EQ(testing::refocus(arguments).status, 0);
  const ProcessResult judged = testing::refocus(
      {"rescore", at.string(), "--manual", "--only", "all", "--reviewer", "anna"}, {.input = "D\nn\nq\n"});
  EXPECT_EQ(judged.status, 0) << judged.err;
  EXPECT_THAT(judged.err,
              HasSubstr("the run's reports are written anew, by the anchored rules and the verdicts"));
  const auto report = [&] { return file_text(at / "arms/direct-none/results_refocus.json"); };
  const std::string with_verdicts = report();
  EXPECT_THAT(with_verdicts, HasSubstr("\"manual\": 2,"));
  EXPECT_THAT(testing::refocus(arguments).out, HasSubstr("2 answers were judged by a person\n"));
  EXPECT_EQ(report(), with_verdicts);
  EXPECT_EQ(testing::refocus({"rescore", at.string(), "--write", "--no-verdicts"}).status, 0);
  EXPECT_THAT(report(), AllOf(HasSubstr("\"manual\": 0,"), HasSubstr("\"verdicts\": \"ignored\"")));
}

TEST_F(Rescore, TakesVerdictsFromAPipe) {
  const ProcessResult result =
      rescore({"--manual", "--reviewer", "anna"}, "C\n?\n\nn\nb\nA\n\nbc\nz\na\n2\nb\nx\nq\n");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("1 of 4   "), HasSubstr("\nKept: C. b goes back to it.\n"),
                    HasSubstr("Which answer does the response give"), HasSubstr("Kept: no answer."),
                    HasSubstr("your verdict: no answer\n"), HasSubstr("'bc'"),
                    HasSubstr("'z' is no key here"), HasSubstr("answers are capital letters, or numbers"),
                    HasSubstr("All 4 are through."), HasSubstr("Taken back.")));
  EXPECT_THAT(result.out, HasSubstr("2 of 4 responses have a verdict of anna; all are kept in "));
  EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(result.out, Not(HasSubstr("right answer")));
  EXPECT_THAT(result.out, Not(HasSubstr("cot-none")));
  EXPECT_EQ(letters(), "C-AB-");
  EXPECT_TRUE(verdicts().back().withdrawn);
  // The rest comes at the next time; the end of the input ends it too.
  EXPECT_THAT(rescore({"--manual", "--reviewer", "anna"}, "1").out, HasSubstr("1 of 2   "));
  EXPECT_EQ(letters(), "C-AB-A");
}

TEST_F(Rescore, TwoReviewersAreComparedAndVerdictsTravel) {
  for (const auto& [reviewer, keys] : {std::pair("anna", "C\nC\nC\nC\n"), std::pair("ben", "C\nC\nC\nA\n")}) {
    EXPECT_EQ(rescore({"--manual", "--reviewer", reviewer}, keys).status, 0);
  }
  // Observed 3/4, by chance 3/4 C and C: no better than chance.
  const ProcessResult shown = rescore({});
  EXPECT_THAT(shown.out, HasSubstr("verdicts that count: ben 4\n"
                                   "anna and ben: 3 of 4 verdicts the same, Cohen's kappa 0.00\n"));
  const std::string file = (dir / "v.jsonl").string();
  EXPECT_EQ(rescore({"--export-verdicts", file}).status, 0);
  const fs::path other = dir / "other";
  testing::write_audited_run(other);
  const ProcessResult imported = testing::refocus({"rescore", other.string(), "--import-verdicts", file});
  EXPECT_EQ(imported.status, 0);
  EXPECT_THAT(imported.err, HasSubstr("8 verdicts taken over, 0 were there already"));
  EXPECT_EQ(Journal::open_read_only(other).verdicts(), verdicts());
}

TEST_F(Rescore, KeysAtATerminal) {
  PtyProcess process({"rescore", run.string(), "--manual", "--reviewer", "anna"}, 30, 90);
  const termios before = process.settings();
  EXPECT_THAT(process.until("m whole"), HasSubstr("1 of 4"));
  EXPECT_EQ(process.settings().c_lflag & (ICANON | ECHO), 0u);
  process.type("C");
  EXPECT_THAT(process.until("m whole"), AllOf(HasSubstr("2 of 4"), HasSubstr("Kept: C.")));
  process.type("\x1b[D");  // left: back
  EXPECT_THAT(process.until("m whole"), AllOf(HasSubstr("1 of 4"), HasSubstr("your verdict: C")));
  process.type("\x1b[C\x1b[C\x1b[Z");  // right twice; a key that means nothing
  process.until("3 of 4");
  process.type("?");
  process.until("any key");
  process.type("q");  // leaves the help alone
  process.until("3 of 4");
  process.type("n");
  process.until("4 of 4");
  process.until("m whole");
  process.resize(16, 44);
  process.until("4 of 4");
  process.type("q");
  const std::string rest = process.to_end();
  EXPECT_EQ(process.status, 0);
  EXPECT_THAT(rest, AllOf(HasSubstr("\x1b[?1049l"), HasSubstr("2 of 4 responses have a verdict of anna")));
  EXPECT_EQ(process.settings().c_lflag, before.c_lflag);
  EXPECT_EQ(letters(), "C-");
}

TEST_F(Rescore, ScrollsAndShowsWholeResponses) {
  PtyProcess process({"rescore", run.string(), "--manual", "--only", "disagree"}, 10, 60, false);
  EXPECT_THAT(process.until("x take"),
              AllOf(HasSubstr("[0%"), Not(HasSubstr("[[C]]")), Not(HasSubstr("\x1b[30"))));
  process.type("\x1b[6~");
  process.until("[[C]]");
}

TEST_F(Rescore, SignalsLeaveTheTerminalAsItWas) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGKILL}) {
    PtyProcess process({"rescore", run.string(), "--manual", "--reviewer", "anna", "--again"}, 30, 90);
    const termios before = process.settings();
    process.until("m whole");
    const std::size_t kept = verdicts().size();
    process.type("C");
    process.until("2 of 4");
    process.until("m whole");
    process.type("DDDD");  // held down
    process.until("3 of 4");
    process.until("m whole");
    process.send(signal);
    const std::string rest = process.to_end();
    EXPECT_EQ(process.signal, signal);
    EXPECT_EQ(verdicts().size(), kept + 2);  // a kill loses none either
    if (signal == SIGKILL) continue;
    EXPECT_THAT(rest, AllOf(HasSubstr("\x1b[?1049l"), HasSubstr("all verdicts given so far are kept")));
    EXPECT_EQ(process.settings().c_lflag, before.c_lflag);
  }
}

TEST_F(Rescore, GoesOnAfterItWasStopped) {
  PtyProcess process({"rescore", run.string(), "--manual", "--reviewer", "anna"}, 30, 90);
  process.until("m whole");
  process.send(SIGTSTP);
  process.until("\x1b[?1049l");
  process.send(SIGCONT);
  process.until("1 of 4");
  process.until("m whole");
  process.type("B");
  process.until("2 of 4");
  process.until("m whole");
  process.type("q");
  process.to_end();
  EXPECT_EQ(letters(), "B");
}

TEST_F(Rescore, ReadsFilesAndComparesWithTheirRecord) {
  testing::write_file(dir / "anatomy.csv",
                      "question,A,B,C,D,answer,model_output,model_response,correctness\n"
                      "q,one,two,three,four,C,A,Option A: no. Response: C,False\n");
  const ProcessResult csv = testing::refocus({"rescore", (dir / "anatomy.csv").string(), "--list"});
  EXPECT_EQ(csv.status, 0) << csv.err;
  EXPECT_THAT(
      csv.out,
      AllOf(
          HasSubstr("1 response\n"), HasSubstr("  recorded           0      0.0%"),
          HasSubstr("\nanatomy 0: anchored C (header), published A (first_letter), right C, recorded A\n")));
  const Json json =
      testing::one_json_line(testing::refocus({"rescore", (dir / "anatomy.csv").string(), "--json"}));
  EXPECT_EQ(json["arms"][0]["published_recorded"]["same"], 1);
  for (const char* flag : {"--manual", "--write", "--no-verdicts"}) {
    expect_failure(testing::refocus({"rescore", (dir / "anatomy.csv").string(), flag}), 2,
                   {flag, "expected a run directory"});
  }
}

TEST_F(Rescore, RefusesWithOneLine) {
  expect_failure(testing::refocus({"rescore"}), 2, {"run is required"});
  expect_failure(testing::refocus({"rescore", (dir / "none").string()}), 1, {"none]"});
  fs::create_directory(dir / "empty");
  expect_failure(testing::refocus({"rescore", (dir / "empty").string()}), 1,
                 {"run.json]", "give a run directory"});
  expect_failure(testing::refocus({"rescore", (dir / "empty").string(), "--manual"}), 1, {"run.json]"});
  EXPECT_TRUE(fs::is_empty(dir / "empty"));
  expect_failure(rescore({"--rules", "best"}), 2, {"best", "anchored"});
  testing::write_file(
      dir / "p.json",
      R"({"name":"p","tasks":{"mmlu":{"body":"{question}","cot_suffix":"x","direct_suffix":"y"}}})");
  expect_failure(rescore({"--profile", (dir / "p.json").string()}), 1, {"\"extraction\"", "--rules"});
  expect_failure(rescore({"--seed", "1"}), 2, {"--manual"});
  expect_failure(rescore({"--manual", "--json"}), 2, {"--json"});
  expect_failure(rescore({"--export-verdicts", "v", "--list"}), 2, {"--list"});
  expect_failure(rescore({"--manual", "--only", "some"}), 2, {"--only", "'some'"});
  expect_failure(rescore({"--manual", "--arm", "x"}), 2, {"--arm", "cot-none, direct-none"});
  expect_failure(rescore({"--manual", "--reviewer", "a\nb"}), 2, {"--reviewer"});
  const RunDirectory open = RunDirectory::reopen(run);
  expect_failure(rescore({"--manual"}), 1, {"is in use by another refocus", "work on a copy"});
  expect_failure(rescore({"--write"}), 1, {"is in use by another refocus"});
  EXPECT_EQ(rescore({}).status, 0);  // looking is free
}

TEST_F(Rescore, RefusesLogLikelihoods) {
  REFOCUS_NEEDS_SHARED(testing::kSmallModel);
  const fs::path data = testing::write_tasks(dir / "data"), at = dir / "scored";
  EXPECT_EQ(testing::refocus(testing::eval_arguments(data, at, {"mmlu", "--loglikelihood"})).status, 0);
  for (const Arguments& how : {Arguments{}, Arguments{"--manual"}, Arguments{"--write"}}) {
    expect_failure(testing::refocus(testing::plus({"rescore", at.string()}, how)), 1,
                   {"expected responses in words, got log-likelihoods"});
  }
}

}  // namespace
}  // namespace refocus
