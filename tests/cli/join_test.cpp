// refocus eval --shard and refocus join: parts that are joined are the run that one process makes, byte for
// byte.
#include <sqlite3.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "cli/cli_support.h"
#include "eval/journal/journal.h"
#include "kernels/instruction_set.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;
using testing::plus;
using testing::Process;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

const Arguments kTwoArms = {"--direct", "--intervene", "none", "--intervene", "rebalance:alpha=1"};

class Join : public ::testing::Test {
 protected:
  static Arguments worlds(const char* limit) {
    return {"--subjects", "codes,jobs,tables", "--limit", limit, "--max-new-tokens", "24"};
  }
  Arguments arguments(const std::string& run, const Arguments& more) const {
    return plus({"eval", "-m", "small-worlds", "-o", (dir / run).string()}, more);
  }
  ProcessResult eval(const std::string& run, const Arguments& more) const {
    ProcessResult result = testing::refocus(arguments(run, more));
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
  ProcessResult join(const Arguments& runs, const std::string& to) const {
    Arguments command = {"join"};
    for (const std::string& run : runs) command.push_back((dir / run).string());
    return testing::refocus(plus(command, {"-o", (dir / to).string()}));
  }
  ProcessResult joined(const Arguments& runs, const std::string& to) const {
    ProcessResult result = join(runs, to);
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
  // Asks in three shards, each with other threads and batches, joins them out of order, and compares with the
  // run of one process.
  void expect_whole(const Arguments& more) const {
    const ProcessResult whole = eval("whole/run", more);
    eval("1", plus(more, {"--shard", "1/3", "--threads", "1"}));
    eval("2", plus(more, {"--shard", "2/3", "--batch", "1"}));
    eval("3", plus(more, {"--shard", "3/3", "--batch", "5"}));
    const ProcessResult result = joined({"3", "1", "2"}, "joined/run");
    expect_same("joined/run");
    const auto table = [&](const ProcessResult& of, const char* run) {
      std::string text = of.out.substr(0, of.out.find("Answers and results: "));
      for (std::size_t at; (at = text.find((dir / run).string())) != std::string::npos;) {
        text.replace(at, (dir / run).string().size(), "RUN");
      }
      const std::size_t counts = text.find(" answers of 3 runs");
      return counts == std::string::npos ? text : text.substr(0, text.rfind('\n', counts) + 1);
    };
    EXPECT_EQ(table(result, "joined/run"), table(whole, "whole/run"));
  }
  // All files that an evaluation ends with, but for the part of the report that says who ran it.
  void expect_same(const std::string& run) const {
    const auto files = [&](const fs::path& directory) {
      std::vector<std::string> out;
      for (const std::string& name : testing::files_below(directory)) {
        if (name != "lock" && !name.starts_with("journal.db") && name != "run.json") out.push_back(name);
      }
      return out;
    };
    const std::vector<std::string> names = files(dir / "whole/run");
    EXPECT_EQ(files(dir / run), names);
    ASSERT_GT(names.size(), 3u);
    for (const std::string& name : names) {
      EXPECT_EQ(without_sessions(file_text(dir / run / name)),
                without_sessions(file_text(dir / "whole/run" / name)))
          << name;
    }
    EXPECT_EQ(identity(run), identity("whole/run"));
  }
  static std::string without_sessions(std::string text) {
    const std::size_t begin = text.find("<section id=\"settings\"");
    if (begin == std::string::npos) return text;
    return text.erase(begin, text.find("</section>", begin) - begin);
  }
  Json record(const std::string& run) const { return Json::parse(file_text(dir / run / "run.json")); }
  Json identity(const std::string& run) const { return record(run)["identity"]; }
  std::int64_t answers(const std::string& run) const { return testing::answers_of_run(dir / run); }

  TempDir dir;
};

TEST_F(Join, ShardsOfTextsAreTheWholeRun) {
  expect_whole(plus(worlds("5"),
                    {"--cot", "--direct", "--intervene", "none", "--intervene", "strong=rebalance:alpha=1"}));
  EXPECT_EQ(answers("1") + answers("2") + answers("3"), 4 * 15);
  for (const char* part : {"1", "2", "3"}) EXPECT_GE(answers(part), 4 * 3) << part;
}

TEST_F(Join, ShardsOfLogLikelihoodsAreTheWholeRun) {
  expect_whole({"--subjects", "codes,jobs", "--limit", "7", "--loglikelihood", "--intervene", "none",
                "--intervene", "rebalance:alpha=1"});
}

TEST_F(Join, ShardsOfASweepAreTheWholeRun) {
  expect_whole(plus({"--subjects", "codes,jobs", "--limit", "6", "--loglikelihood"},
                    {"--sweep", "boost:factor=2:8:2", "--sweep", "pasta:alpha=0.1,0.5", "--sweep",
                     "pasta:layers=0-1,2-3", "--budget", "3", "--intervene", "b=boost:keys=field:question",
                     "--intervene", "pasta:keys=field:question"}));
  EXPECT_TRUE(fs::exists(dir / "joined/run/sweep.svg"));
}

TEST_F(Join, ShardsOfTasksOfOnesOwnAreTheWholeRun) {
  const std::string examples = std::string(REFOCUS_SOURCE) + "/examples/";
  expect_whole({examples + "quiz.yaml", examples + "sums.yaml", "--cot", "--limit", "5"});
}

TEST_F(Join, ShardsOfTranscriptsAreTheWholeRun) {
  expect_whole({std::string(REFOCUS_SOURCE) + "/examples/chat.yaml", "--max-new-tokens", "24", "--intervene",
                "none", "--intervene", "rebalance:alpha=1"});
}

TEST_F(Join, ShardsOfSeveralTasksAreTheWholeRun) {
  const fs::path data = testing::write_tasks(dir / "data");
  expect_whole({"mmlu", "piqa", "siqa", "--data", data.string(), "--direct", "--context", "2048",
                "--max-new-tokens", "4"});
  EXPECT_TRUE(fs::exists(dir / "joined/run/arms/direct-none/physicaliqa.csv"));
}

TEST_F(Join, AnAloneShardSaysThatItIsNoWhole) {
  const ProcessResult result = eval("1", plus(worlds("4"), plus(kTwoArms, {"--shard", "1/2"})));
  EXPECT_THAT(result.out, HasSubstr("12 answers are left to other shards; when all are there: refocus join"));
  EXPECT_THAT(result.out, Not(HasSubstr("Report: ")));
  EXPECT_FALSE(fs::exists(dir / "1/report.html"));
  EXPECT_FALSE(fs::exists(dir / "1/comparison.json"));
  EXPECT_EQ(record("1")["sessions"][0]["shard"], "1/2");
  EXPECT_EQ(record("1")["sessions"][0]["to_ask"], 12);
  EXPECT_EQ(identity("1")["items"], 12);
  expect_failure(testing::refocus({"compare", (dir / "1").string()}), 1, {"the run is not finished"});
}

TEST_F(Join, AShardGrowsAndKeepsWhatItHas) {
  eval("1", plus(worlds("3"), {"--direct", "--shard", "1/2"}));
  const std::int64_t before = answers("1");
  const ProcessResult grown = eval("1", plus(worlds("6"), {"--direct", "--shard", "1/2"}));
  EXPECT_THAT(grown.err, HasSubstr(fmt::format("{} answers are there; new: 9 questions", before)));
  EXPECT_EQ(answers("1"), 9);
  eval("2", plus(worlds("6"), {"--direct", "--shard", "2/2"}));
  EXPECT_EQ(answers("2"), 9) << "a question of the other shard was asked while it was small";
  EXPECT_THAT(joined({"1", "2"}, "joined").out, HasSubstr("18 answers of 2 runs.\n"));
}

// What was made of fewer questions would contradict the arms' files, which are of all that is answered.
TEST_F(Join, AShardOfAGrownRunTakesAwayTheReportOfTheSmallOne) {
  eval("run", plus(worlds("2"), kTwoArms));
  const std::vector<const char*> of_the_whole = {"report.html", "comparison.json"};
  for (const char* file : of_the_whole) ASSERT_TRUE(fs::exists(dir / "run" / file)) << file;
  const Arguments more = plus(worlds("4"), kTwoArms);
  eval("run", plus(more, {"--shard", "1/2"}));
  for (const char* file : of_the_whole) EXPECT_FALSE(fs::exists(dir / "run" / file)) << file;
  expect_failure(testing::refocus({"compare", (dir / "run").string()}), 1, {"the run is not finished"});
  eval("run", more);
  eval("whole/run", more);
  for (const char* file : {"comparison.json", "arms/direct-none/results_refocus.json"}) {
    EXPECT_EQ(file_text(dir / "run" / file), file_text(dir / "whole/run" / file)) << file;
  }
  EXPECT_TRUE(fs::exists(dir / "run/report.html"));
}

TEST_F(Join, ShardsWithoutADirectoryHaveOneEach) {
  std::vector<std::string> runs;
  for (const char* shard : {"1/2", "2/2"}) {
    const ProcessResult result = testing::refocus(
        plus({"eval", "-m", "small-worlds", "--shard", shard}, plus(worlds("2"), {"--direct"})),
        {.directory = dir.path()});
    ASSERT_EQ(result.status, 0) << result.err;
    const std::size_t at = result.out.find("Answers and results: ") + 21;
    runs.push_back(result.out.substr(at, result.out.find('\n', at) - at));
  }
  EXPECT_TRUE(runs[0].ends_with("-1of2")) << runs[0];
  EXPECT_TRUE(runs[1].ends_with("-2of2")) << runs[1];
  EXPECT_THAT(joined(runs, "joined").out, HasSubstr("6 answers of 2 runs.\n"));
}

TEST_F(Join, AKilledShardGoesOn) {
  const Arguments more = plus(worlds("6"), kTwoArms);
  eval("whole/run", more);
  eval("2", plus(more, {"--shard", "2/2"}));
  {
    Process process(arguments("1", plus(more, {"--shard", "1/2", "--batch", "1", "--threads", "1"})));
    while (process.running() && answers("1") < 3) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    process.send(SIGKILL);
    process.wait();
  }
  ASSERT_LT(answers("1"), 18);
  EXPECT_THAT(eval("1", plus(more, {"--shard", "1/2"})).err, HasSubstr("going on with the run"));
  joined({"1", "2"}, "joined/run");
  expect_same("joined/run");
}

TEST_F(Join, WhatIsMissingIsSaidAndAskedByEval) {
  const Arguments more = plus(worlds("6"), kTwoArms);
  eval("whole/run", more);
  eval("1", plus(more, {"--shard", "1/3"}));
  eval("3", plus(more, {"--shard", "3/3"}));
  const ProcessResult result = joined({"1", "3"}, "joined/run");
  EXPECT_THAT(result.out,
              HasSubstr("24 answers of 2 runs.\n12 of 36 answers are missing; the eval command, with -o " +
                        (dir / "joined/run").string() + " and without --shard, asks for them.\n"));
  EXPECT_FALSE(fs::exists(dir / "joined/run/report.html"));
  EXPECT_THAT(eval("joined/run", more).err, HasSubstr("24 answers are there\n"));
  expect_same("joined/run");
  // It grows as every run does.
  const Arguments grown = plus(worlds("8"), kTwoArms);
  eval("whole/run", grown);
  EXPECT_THAT(eval("joined/run", grown).err, HasSubstr("36 answers are there; new: 6 questions\n"));
  expect_same("joined/run");
}

TEST_F(Join, AnEmptyShardIsNoHarm) {
  const Arguments more = {"--subjects", "jobs", "--limit", "1", "--direct"};
  std::int64_t asked = 0;
  for (const char* shard : {"1/2", "2/2"}) {
    eval(std::string(1, *shard), plus(more, {"--shard", shard}));
    asked += answers(std::string(1, *shard));
  }
  EXPECT_EQ(asked, 1);
  eval("whole/run", more);
  joined({"1", "2"}, "joined/run");
  expect_same("joined/run");
}

TEST_F(Join, SeveralAnswersToOneQuestionMustAgree) {
  const Arguments more = plus(worlds("4"), kTwoArms);
  eval("whole/run", more);
  eval("1", plus(more, {"--shard", "1/2"}));
  EXPECT_THAT(joined({"whole/run", "1"}, "joined/run").out,
              HasSubstr("24 answers of 2 runs, 12 of them in several, where they agree.\n"));
  expect_same("joined/run");

  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open((dir / "1/journal.db").c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle,
                         "UPDATE responses SET response = 'B, said later' WHERE subject = 'jobs' AND arm = "
                         "'direct-none'",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  const int changed = sqlite3_changes(handle);
  sqlite3_close(handle);
  ASSERT_GT(changed, 0);
  const ProcessResult refused = join({"whole/run", "1"}, "other");
  EXPECT_EQ(refused.status, 1);
  EXPECT_EQ(refused.out, "");
  EXPECT_THAT(refused.err, HasSubstr("warning: direct-none, jobs item "));
  EXPECT_THAT(refused.err, HasSubstr("'B, said later' ("));
  EXPECT_THAT(refused.err, HasSubstr(fmt::format(
                               "wherever runs have one to the same question, got {} that differ", changed)));
  EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), changed + 1);
  EXPECT_FALSE(fs::exists(dir / "other"));
}

TEST_F(Join, RunsOfOtherSettingsAreRefusedByName) {
  const auto refused = [&](const Arguments& runs, const std::vector<std::string>& parts) {
    expect_failure(join(runs, "joined/run"), 1, parts);
    EXPECT_FALSE(fs::exists(dir / "joined"));
  };
  const Arguments one = {"--subjects", "jobs", "--limit", "2", "--direct"};
  eval("1", plus(one, {"--shard", "1/2"}));
  eval("tokens", plus(one, {"--shard", "2/2", "--max-new-tokens", "5"}));
  refused({"1", "tokens"},
          {"[" + (dir / "tokens").string() + "]", "generation.max_new_tokens to be 2048", "got 5"});
  eval("limit", {"--subjects", "jobs", "--limit", "3", "--direct", "--shard", "2/2"});
  refused({"1", "limit"}, {"expected items to be 2", "got 3"});
  eval("arms", plus(one, {"--shard", "2/2", "--intervene", "rebalance"}));
  refused({"1", "arms"}, {"expected arms[0] to be \"direct-none\""});
  testing::copy_bundled_model(dir / "model", "{{ messages[0].content }}");
  testing::edit_json(dir / "model/config.json", {{"note", "another"}});
  ASSERT_EQ(testing::refocus(plus({"eval", "-m", (dir / "model").string(), "--no-chat", "-o",
                                   (dir / "model_run").string()},
                                  plus(one, {"--shard", "2/2"})))
                .status,
            0);
  refused({"1", "model_run"}, {"expected the model of", "config.json differs"});
  fs::create_directory(dir / "nothing");
  refused({"1", "nothing"}, {"run.json", "give a run directory"});
  ASSERT_EQ(testing::refocus({"study", "-m", "small-worlds", "--subjects", "jobs", "--limit", "1", "--direct",
                              "-o", (dir / "study").string()})
                .status,
            0);
  refused({"1", "study"}, {"expected a run of refocus eval, got one of refocus study"});
  eval("2", plus(one, {"--shard", "2/2"}));
  const std::string before = file_text(dir / "2/run.json");
  expect_failure(join({"1", "2"}, "2"), 1, {"expected a name that is not taken"});
  EXPECT_EQ(file_text(dir / "2/run.json"), before);
}

TEST_F(Join, RunsOfLmEvaluationHarnessAreFinishedByEval) {
  std::string lines;
  for (int i = 0; i < 6; ++i) {
    lines += Json{{"q", "Nina Fox reports to Hugo West." + std::to_string(i)},
                  {"options", {"Hugo", "Nina"}},
                  {"k", i % 2}}
                 .dump() +
             "\n";
  }
  testing::write_file(dir / "d.jsonl", lines);
  testing::write_file(
      dir / "choice.yaml",
      "task: choice\ndataset_path: json\ndataset_kwargs: {data_files: {test: d.jsonl}}\ntest_split: "
      "test\noutput_type: multiple_choice\ndoc_to_text: '{{q}}'\ndoc_to_choice: "
      "options\ndoc_to_target: k\n");
  const Arguments task = {(dir / "choice.yaml").string()};
  eval("whole/run", task);
  for (const char* shard : {"1/2", "2/2"}) eval(std::string(1, *shard), plus(task, {"--shard", shard}));
  const ProcessResult result = joined({"1", "2"}, "joined/run");
  EXPECT_THAT(result.out, HasSubstr("The eval command, with -o " + (dir / "joined/run").string() +
                                    ", makes the files that are not there"));
  EXPECT_THAT(eval("joined/run", task).err, HasSubstr("6 answers are there\n"));
  expect_same("joined/run");
}

TEST_F(Join, TheRecordSaysWhatMultipliesBf16) {
  const Arguments one = {"--subjects", "jobs", "--limit", "1", "--direct"};
  eval("rounded", plus(one, {"--activations", "bf16"}));
  eval("plain", one);
  EXPECT_EQ(record("rounded")["sessions"][0]["machine"]["bf16_products"], bf16_products());
  EXPECT_FALSE(record("plain")["sessions"][0]["machine"].contains("bf16_products"));
}

TEST_F(Join, TheRecordSaysWhoAsked) {
  const Arguments one = {"--subjects", "jobs", "--limit", "2", "--direct"};
  eval("1", plus(one, {"--shard", "1/2", "--threads", "1"}));
  // Another instruction set, on any machine that tests run on.
  const auto on = [&](const char* set, const Arguments& more) {
    return testing::refocus(plus({std::string("REFOCUS_SIMD=") + set, REFOCUS_PROGRAM}, more),
                            {.program = "/usr/bin/env"});
  };
  const ProcessResult other = on("ssse3", arguments("2", plus(one, {"--shard", "2/2"})));
  if (other.status != 0) GTEST_SKIP() << other.err;
  const ProcessResult result = joined({"1", "2"}, "joined");
  const Json sessions = record("joined")["sessions"];
  ASSERT_EQ(sessions.size(), 2u);
  const Json& first = sessions[0];
  for (const char* field : {"version", "build", "command", "threads", "to_ask"})
    EXPECT_TRUE(first.contains(field)) << field;
  for (const char* field : {"host", "processor", "instruction_set"}) {
    EXPECT_NE(first["machine"][field].get<std::string>(), "") << field;
  }
  EXPECT_EQ(first["run"], (dir / "1").string());
  EXPECT_EQ(sessions[1]["run"], (dir / "2").string());
  EXPECT_EQ(sessions[1]["machine"]["instruction_set"], "SSSE3");
  EXPECT_THAT(result.err, HasSubstr("warning: Answers differ in how they were computed: instruction set "));
  EXPECT_THAT(file_text(dir / "joined/report.html"), HasSubstr("Answers differ in how they were computed"));
  EXPECT_THAT(file_text(dir / "joined/report.html"), HasSubstr("The commands that answered the questions"));

  // Gone on with on another one it says so, once; and not where there is nothing to ask.
  const Arguments more = {"--subjects", "jobs", "--limit", "3", "--direct"};
  const Arguments most = {"--subjects", "jobs", "--limit", "4", "--direct"};
  const char* said = "warning: answers so far are of instruction set";
  eval("run", one);
  EXPECT_THAT(on("ssse3", arguments("run", one)).err, Not(HasSubstr(said)));
  EXPECT_THAT(file_text(dir / "run/report.html"), Not(HasSubstr("Answers differ in how they were computed")));
  EXPECT_THAT(on("ssse3", arguments("run", more)).err, HasSubstr(said));
  EXPECT_THAT(file_text(dir / "run/report.html"), HasSubstr("Answers differ in how they were computed"));
  EXPECT_THAT(on("ssse3", arguments("run", most)).err, Not(HasSubstr(said)));
}

TEST_F(Join, BadShardsAreOneClearLine) {
  for (const char* shard : {"0/3", "4/3", "x", "1/0"}) {
    expect_failure(testing::refocus(arguments("run", {"--shard", shard})), 2,
                   {"[--shard]", "such as 2/4", shard});
  }
  EXPECT_FALSE(fs::exists(dir / "run"));
  testing::write_file(dir / "text.txt", "The blue crate lies in the hall.");
  expect_failure(testing::refocus({"eval", "perplexity", (dir / "text.txt").string(), "-m", "small-worlds",
                                   "--shard", "1/2"}),
                 2, {"--shard: expected no shard of a text"});
  expect_failure(testing::refocus({"join", (dir / "run").string()}), 2, {"-o"});
  expect_failure(testing::refocus({"join", "-o", (dir / "run").string()}), 2, {"runs"});
}

}  // namespace
}  // namespace refocus
