// refocus report as a process: what it writes, bad input, and kills while it writes (those of eval:
// resume_test).
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "cli/cli_support.h"
#include "eval/toy_run.h"

namespace refocus {
namespace {

using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Process;
using testing::ProcessResult;
using testing::TempDir;
using testing::ToyRun;
namespace fs = std::filesystem;

ToyRun toy(int items) {
  ToyRun run;
  run.tasks.push_back(testing::toy_mmlu({{"anatomy", items}}));
  const auto n = static_cast<std::size_t>(items);
  run.arms.push_back({PromptKind::kCot, "none", {{"anatomy", std::string(n, 'A')}}});
  run.arms.push_back({PromptKind::kDirect, "none", {{"anatomy", std::string(n, 'B')}}});
  return run;
}

class Report : public ::testing::Test {
 protected:
  void SetUp() override { testing::write_toy_run(dir / "run", toy(4)); }
  std::string run() const { return (dir / "run").string(); }
  TempDir dir;
};

TEST_F(Report, IsWrittenIntoTheRunOrWhereToldTo) {
  const ProcessResult result = testing::refocus({"report", run()});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Report: " + run() + "/report.html"));
  const std::string html = file_text(dir / "run/report.html");
  EXPECT_EQ(html.substr(0, 15), "<!doctype html>");
  ASSERT_EQ(testing::refocus({"report", run(), "-o", (dir / "other.html").string()}).status, 0);
  EXPECT_EQ(file_text(dir / "other.html"), html);
}

TEST_F(Report, OfTwoRunsNeedsAFile) {
  expect_failure(testing::refocus({"report", run(), run()}), 2,
                 {"[-o] expected a file for the report of two runs"});
  const std::string out = (dir / "both.html").string();
  ASSERT_EQ(testing::refocus({"report", run(), run(), "-o", out}).status, 0);
  EXPECT_THAT(file_text(out), HasSubstr("cot-none of run 2"));
}

TEST_F(Report, IsAlsoWrittenByCompare) {
  const std::string a = (dir / "a.html").string(), b = (dir / "b.html").string();
  ASSERT_EQ(testing::refocus({"compare", run(), "--baseline", "direct-none", "--report", a}).status, 0);
  ASSERT_EQ(testing::refocus({"report", run(), "--baseline", "direct-none", "-o", b}).status, 0);
  EXPECT_EQ(file_text(a), file_text(b));
}

TEST_F(Report, RefusesWhatIsNoRunAndWhereItCannotWrite) {
  expect_failure(testing::refocus({"report", (dir / "absent").string()}), 1,
                 {"run.json", "give a run directory"});
  fs::create_directory(dir / "folder.html");
  expect_failure(testing::refocus({"report", run(), "-o", (dir / "folder.html").string()}), 2,
                 {"expected a file's name"});
  for (const char* name : {"x.pdf", "x", "x.html.gz"}) {
    expect_failure(testing::refocus({"report", run(), "-o", (dir / name).string()}), 2,
                   {"expected a name that ends in .html", "a browser prints the page as PDF"});
    EXPECT_FALSE(fs::exists(dir / name)) << name;
  }
  expect_failure(testing::refocus({"report", run(), "-o", (dir / "no/such/folder.html").string()}), 1,
                 {"folder.html"});
  expect_failure(testing::refocus({"report", run(), "-o", ""}), 2, {"expected a name"});
  expect_failure(testing::refocus({"report", run(), "--baseline", "x"}), 2, {"[--baseline]", "'x'"});
  expect_failure(testing::refocus({"report"}), 2, {"run"});
  fs::remove_all(dir / "run/arms/cot-none");
  expect_failure(testing::refocus({"report", run()}), 1, {"results of a finished arm"});
  EXPECT_FALSE(fs::exists(dir / "run/report.html"));
}

TEST_F(Report, KilledAtAnyMomentLeavesTheOldOneOrTheNew) {
  // Large enough that kills meet it reading, compressing and writing.
  testing::write_toy_run(dir / "large", toy(3000));
  const fs::path report = dir / "large/report.html";
  ASSERT_EQ(testing::refocus({"report", (dir / "large").string()}).status, 0);
  const std::string whole = file_text(report);
  const std::string old = "the report of before";
  int killed = 0, finished = 0;
  for (int delay = 0; delay < 40 && finished < 2; ++delay) {
    std::ofstream(report) << old;
    Process process({"report", (dir / "large").string()});
    std::this_thread::sleep_for(std::chrono::milliseconds(4 * delay));
    process.send(SIGKILL);
    const ProcessResult result = process.wait();
    const std::string now = file_text(report);
    if (result.signal == SIGKILL) {
      ++killed;
      EXPECT_TRUE(now == old || now == whole) << now.size();
    } else {
      ++finished;
      EXPECT_EQ(now, whole);
    }
  }
  EXPECT_GE(killed, 2);
}

}  // namespace
}  // namespace refocus
