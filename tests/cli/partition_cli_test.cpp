// generate and eval with --pipeline and --tensor, started by mpirun as people do: what one process says,
// once.
#include <sqlite3.h>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

constexpr const char* kMpirun = "/usr/bin/mpirun";

class Launched : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kMpirun)) GTEST_SKIP() << "there is no " << kMpirun;
    if (!fs::exists(fs::path(REFOCUS_BUILD) / "librefocus_cluster.so")) {
      GTEST_SKIP() << "librefocus_cluster.so is not built";
    }
  }
  // The launcher with each rank's arguments.
  static ProcessResult mpirun(const std::vector<Arguments>& ranks) {
    Arguments all = {"--oversubscribe", "--bind-to", "none"};
    if (::geteuid() == 0) all.emplace_back("--allow-run-as-root");
    for (std::size_t r = 0; r < ranks.size(); ++r) {
      if (r > 0) all.emplace_back(":");
      all = plus(plus(all, {"-n", "1", REFOCUS_PROGRAM}), ranks[r]);
    }
    testing::ProcessOptions options;
    options.program = kMpirun;
    return testing::refocus(all, options);
  }
  static ProcessResult mpirun(std::size_t ranks, const Arguments& arguments) {
    return mpirun(std::vector<Arguments>(ranks, arguments));
  }
  static void expect_line(const std::string& err, const std::string& line) {
    const std::size_t at = err.find("refocus: ");
    ASSERT_NE(at, std::string::npos) << err;
    EXPECT_THAT(err.substr(at, err.find('\n', at) - at), HasSubstr(line));
    EXPECT_EQ(err.find("refocus: ", at + 1), std::string::npos) << err;  // and no other
  }
  TempDir dir;
};

struct AskedRanks {
  std::size_t ranks;
  Arguments options;
};

TEST_F(Launched, GeneratesWhatOneProcessDoes) {
  const Arguments generate = {
      "generate",  "-q", "-p",          "Analysis: the blue crate lies in the", "-n", "12", "--json",
      "--threads", "1",  "--intervene", "rebalance:alpha=0.7,threshold=0.01"};
  Json expected = testing::one_json_line(testing::refocus(generate));
  expected.erase("timing");
  for (const AskedRanks& asked : {AskedRanks{2, {"--pipeline", "2"}},
                                  {4, {"--pipeline", "4"}},
                                  {2, {"--tensor", "2"}},
                                  {4, {"--pipeline", "2", "--tensor", "2"}}}) {
    const ProcessResult result = mpirun(asked.ranks, plus(generate, asked.options));
    ASSERT_EQ(result.status, 0) << result.err;
    Json got = testing::one_json_line(result);
    got.erase("timing");
    EXPECT_EQ(got, expected) << asked.options.back();
  }
}

TEST_F(Launched, ReadsStandardInputForAll) {
  const Arguments generate = {"generate", "-q", "--file", "-", "-n", "6", "--threads", "1"};
  const ProcessResult expected = testing::refocus(generate, {.input = "the blue crate"});
  Arguments all = {"--oversubscribe", "-n", "2", REFOCUS_PROGRAM};
  if (::geteuid() == 0) all.insert(all.begin(), "--allow-run-as-root");
  testing::ProcessOptions options;
  options.program = kMpirun;
  options.input = "the blue crate";
  const ProcessResult result = testing::refocus(plus(plus(all, generate), {"--pipeline", "2"}), options);
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, expected.out);
}

TEST_F(Launched, EvaluatesWhatOneProcessDoesAndGoesOn) {
  const auto eval = [&](const std::string& run, const Arguments& more) {
    return plus({"eval", "-q", "--subjects", "codes,jobs", "--threads", "1", "--intervene", "none",
                 "--intervene", "rebalance:alpha=1", "-o", (dir / run).string()},
                more);
  };
  for (const Arguments& how : {Arguments{"--direct", "--max-new-tokens", "16"}, {"--loglikelihood"}}) {
    const std::string name = how.front().substr(2);
    const ProcessResult whole = testing::refocus(eval(name + "-whole", plus(how, {"--limit", "6"})));
    ASSERT_EQ(whole.status, 0) << whole.err;
    // Begun with fewer items, and grown; what is answered already is not asked again.
    for (const char* limit : {"2", "6"}) {
      const ProcessResult result =
          mpirun(2, eval(name + "-ranks", plus(how, {"--limit", limit, "--pipeline", "2"})));
      ASSERT_EQ(result.status, 0) << result.err;
    }
    EXPECT_GT(testing::files_below(dir / (name + "-whole") / "arms").size(), 2u);
    testing::expect_same_reports(dir / (name + "-ranks"), dir / (name + "-whole"),
                                 testing::files_below(dir / (name + "-whole") / "arms").size());
  }
}

// Its second turns have the answers to the first in their prompts, which one process alone has kept.
TEST_F(Launched, ATranscriptGoesOnWhereItWasLeft) {
  const std::string task = (fs::path(REFOCUS_SOURCE) / "examples" / "chat.yaml").string();
  const auto eval = [&](const std::string& run) {
    return Arguments{
        "eval", task, "-q", "--threads", "1", "--max-new-tokens", "12", "-o", (dir / run).string()};
  };
  const ProcessResult whole = testing::refocus(eval("whole"));
  ASSERT_EQ(whole.status, 0) << whole.err;
  fs::copy(dir / "whole", dir / "ranks", fs::copy_options::recursive);
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open((dir / "ranks/journal.db").c_str(), &handle), SQLITE_OK);
  sqlite3_exec(handle, "DELETE FROM responses WHERE prompt LIKE '% next: %'", nullptr, nullptr, nullptr);
  EXPECT_EQ(sqlite3_changes(handle), 3);
  sqlite3_close(handle);
  const ProcessResult result = mpirun(2, plus(eval("ranks"), {"--tensor", "2"}));
  ASSERT_EQ(result.status, 0) << result.err;
  const std::vector<std::string> files = testing::files_below(dir / "whole" / "arms");
  EXPECT_FALSE(files.empty());
  EXPECT_EQ(testing::files_below(dir / "ranks" / "arms"), files);
  for (const std::string& file : files) {
    EXPECT_EQ(testing::file_text(dir / "ranks" / "arms" / file),
              testing::file_text(dir / "whole" / "arms" / file))
        << file;
  }
}

TEST_F(Launched, WrongNumbersOfProcessesAreRefused) {
  testing::expect_failure(testing::refocus({"generate", "-p", "x", "--pipeline", "4"}), 2,
                          {"[--pipeline 4] expected 4 processes, got 1; start with mpirun -n 4"});
  const ProcessResult fewer = mpirun(2, {"generate", "-p", "x", "--pipeline", "2", "--tensor", "2"});
  EXPECT_EQ(fewer.status, 2);
  expect_line(fewer.err, "[--pipeline 2 --tensor 2] expected 4 processes, got 2; start with mpirun -n 4");
  const ProcessResult more = mpirun(5, {"generate", "-q", "-p", "x", "--pipeline", "5"});
  EXPECT_EQ(more.status, 2);
  expect_line(more.err, "[--pipeline] expected at most 4 stages, as many as the model has layers, got 5");
}

TEST_F(Launched, AFailureIsSaidOnce) {
  const Arguments sound = {"generate", "-q", "-p", "x", "--pipeline", "2"},
                  lost = {"generate", "-q", "-p", "x", "-m", "nowhere", "--pipeline", "2"},
                  other = {"generate", "-q", "-p", "y", "--pipeline", "2"};
  const ProcessResult both = mpirun({lost, lost});
  EXPECT_EQ(both.status, 1);
  expect_line(both.err, "refocus: [--model] expected a model directory");
  const ProcessResult one = mpirun({sound, lost});
  EXPECT_EQ(one.status, 1);
  expect_line(one.err, "refocus: rank 1 (");
  EXPECT_THAT(one.err, HasSubstr("): [--model] expected a model directory"));
  const ProcessResult apart = mpirun({sound, other});
  EXPECT_EQ(apart.status, 1);
  expect_line(apart.err, "[ranks] expected all processes of the model to compute the same");
  EXPECT_EQ(apart.out, "");
}

}  // namespace
}  // namespace refocus
