// An evaluation that is killed at any moment and begun again ends with the bytes of one that was not.
#include <chrono>
#include <csignal>
#include <thread>

#include "cli/cli_support.h"
#include "eval/journal/directory_lock.h"
#include "eval/journal/journal.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::file_text;
using testing::plus;
using testing::Process;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

constexpr std::int64_t kAnswers = 2 * 2 * (8 + 3);  // prompts, interventions, items

class Resume : public ::testing::Test {
 protected:
  void SetUp() override {
    REFOCUS_NEEDS_SHARED(testing::kSmallModel);
    data = testing::write_tasks(dir / "data");
  }
  Arguments arguments(const std::string& run, const Arguments& more = {}) const {
    return testing::eval_arguments(data, dir / run,
                                   plus({"mmlu", "piqa", "--cot", "--direct", "--intervene", "none",
                                         "--intervene", "rebalance", "--max-new-tokens", "32"},
                                        more));
  }
  std::int64_t answers(const std::string& run) const { return testing::answers_of_run(dir / run); }
  void expect_same_files(const std::string& run, const std::string& whole) const {
    testing::expect_same_reports(dir / run, dir / whole, 4u * 7u);
  }
  TempDir dir;
  fs::path data;
};

// Every answer of the journal.
std::vector<std::string> journal_rows(const fs::path& run) {
  const Journal journal = Journal::open_read_only(run);
  std::vector<std::string> rows;
  for (const std::string& arm : journal.arms()) {
    journal.for_each(arm, [&](const Response& r) {
      rows.push_back(fmt::format("{} {} {} {}", r.arm, r.subject, r.index, r.text));
    });
  }
  return rows;
}

TEST_F(Resume, KilledAtManyMomentsNothingIsLostOrAskedTwice) {
  const ProcessResult whole = testing::refocus(arguments("whole"));
  ASSERT_EQ(whole.status, 0) << whole.err;
  ASSERT_EQ(answers("whole"), kAnswers);

  // Each session is killed as soon as a few more answers are there, with other threads and batches each time.
  const Arguments ways[] = {
      {"--batch", "1", "--threads", "1"}, {"--batch", "3", "--threads", "2"}, {"--threads", "1"}};
  int kills = 0;
  std::int64_t before = 0;
  std::int64_t asked = 0;
  ProcessResult last;
  for (int session = 0; session < 40 && last.status != 0; ++session) {
    const std::vector<std::string> rows_before =
        before > 0 ? journal_rows(dir / "run") : std::vector<std::string>();
    Process process(arguments("run", ways[session % 3]));
    const std::int64_t enough = before + 1 + session % 5;
    while (process.running() && answers("run") < enough)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (session < 8) process.send(SIGKILL);
    last = process.wait();
    kills += last.signal == SIGKILL;
    const std::vector<std::string> rows =
        answers("run") > 0 ? journal_rows(dir / "run") : std::vector<std::string>();
    EXPECT_TRUE(std::includes(rows.begin(), rows.end(), rows_before.begin(), rows_before.end()))
        << "an answer was lost or changed";
    const auto now = static_cast<std::int64_t>(rows.size());
    asked += now - before;
    before = now;
  }
  ASSERT_EQ(last.status, 0) << last.err;
  EXPECT_GE(kills, 4);
  EXPECT_EQ(before, kAnswers);
  EXPECT_EQ(asked, kAnswers);
  EXPECT_THAT(last.err, ::testing::HasSubstr("going on with the run"));
  expect_same_files("run", "whole");
  const auto table = [](const std::string& text) { return text.substr(0, text.find("Answers and results")); };
  EXPECT_EQ(table(last.out), table(whole.out));
}

TEST_F(Resume, KilledDuringItsReportsTheJournalAndTheOldReportAreWhole) {
  ASSERT_EQ(testing::refocus(arguments("run")).status, 0);
  const std::vector<std::string> rows = journal_rows(dir / "run");
  const fs::path report = dir / "run/report.html";
  int killed = 0;
  for (int delay = 0; delay < 60; delay += 3) {
    const std::string before = file_text(report);
    Process process(arguments("run"));  // all is answered: it goes on with the reports at once
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
    process.send(SIGKILL);
    const bool cut = process.wait().signal == SIGKILL;
    killed += cut;
    const std::string now = file_text(report);
    EXPECT_TRUE(now == before || now.ends_with("-->\n") || now.ends_with("</html>\n")) << now.size();
    EXPECT_EQ(journal_rows(dir / "run"), rows);
  }
  EXPECT_GE(killed, 3);
  ASSERT_EQ(testing::refocus(arguments("run")).status, 0);
  EXPECT_EQ(journal_rows(dir / "run"), rows);
  for (const auto& file : fs::directory_iterator(dir / "run")) {
    EXPECT_EQ(file.path().filename().string().find("report.html.tmp"), std::string::npos);
  }
}

TEST_F(Resume, ThreadsAndBatchDoNotChangeAByte) {
  ASSERT_EQ(testing::refocus(arguments("one", {"--threads", "1", "--batch", "1"})).status, 0);
  ASSERT_EQ(testing::refocus(arguments("two", {"--threads", "2", "--batch", "16"})).status, 0);
  expect_same_files("one", "two");
}

TEST_F(Resume, AfterCtrlCItSaysHowToGoOn) {
  ProcessResult stopped;
  {
    Process process(arguments("run", {"--batch", "1"}));
    while (process.running() && answers("run") < 2) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    process.send(SIGINT);
    stopped = process.wait();
  }
  EXPECT_EQ(stopped.signal, SIGINT);
  EXPECT_THAT(stopped.err, ::testing::HasSubstr("the same command goes on from there"));
  EXPECT_GE(answers("run"), 2);
  EXPECT_EQ(testing::refocus(arguments("run")).status, 0);
  EXPECT_EQ(answers("run"), kAnswers);
}

TEST_F(Resume, ASecondProcessIsRefusedMeanwhile) {
  ASSERT_EQ(testing::refocus(arguments("run")).status, 0);
  {
    const DirectoryLock lock(dir / "run");  // this test is the first process
    testing::expect_failure(testing::refocus(arguments("run")), 1, {"in use by another refocus"});
  }
  EXPECT_EQ(testing::refocus(arguments("run")).status, 0);
}

TEST_F(Resume, AReaderThatGoesAwayEarlyHarmsNothing) {
  // `refocus eval ... | head -1`: standard output is a pipe that nobody reads any more when the table comes.
  Arguments shell = {"-c", "\"$0\" \"$@\" | true", REFOCUS_PROGRAM};
  const ProcessResult result = testing::refocus(plus(shell, arguments("run")), {.program = "/bin/bash"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(answers("run"), kAnswers);
  EXPECT_EQ(testing::files_below(dir / "run/arms").size(), 4u * 7u);
}

}  // namespace
}  // namespace refocus
