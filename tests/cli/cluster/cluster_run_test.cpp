// Several processes make the bits of one, and refuse what would make others.
#include "cli/cluster/mpi_run.h"
#include "eval/journal/run_directory.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::file_text;
using testing::plus;
using testing::ProcessResult;
namespace fs = std::filesystem;

class ClusterRun : public testing::MpiRun {
 protected:
  ProcessResult alone(const Arguments& arguments) {
    ProcessResult result = testing::refocus(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
  ProcessResult together(int count, const Arguments& arguments) {
    ProcessResult result = mpirun(ranks(count, arguments));
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  }
  // All that they make is the same, but for what tells of the session.
  void expect_same_files(const std::string& run, const std::string& whole) {
    const std::vector<std::string> files = testing::files_below(dir / whole);
    EXPECT_EQ(testing::files_below(dir / run), files);
    for (const std::string& file : files) {
      if (file == "journal.db" || file == "run.json" || file == "lock") continue;
      EXPECT_EQ(file_text(dir / run / file), file_text(dir / whole / file)) << file;
    }
  }
  // Refused with this alone, before anything is written.
  void expect_refused(const ProcessResult& result, int status, const std::vector<std::string>& parts,
                      const std::string& run) {
    EXPECT_EQ(result.status, status) << result.err;
    const std::vector<std::string> lines = said(result);
    ASSERT_EQ(lines.size(), 1u) << result.err;
    for (const std::string& part : parts) EXPECT_THAT(lines[0], ::testing::HasSubstr(part));
    EXPECT_FALSE(fs::exists(dir / run));
  }
};

std::string without_places(const std::string& text) {
  return text.substr(0, text.find("Answers and results"));
}

TEST_F(ClusterRun, TextsAreThoseOfOneProcess) {
  const ProcessResult whole = alone(texts("whole"));
  for (const int count : {1, 2, 3, 8}) {
    const std::string run = "run" + std::to_string(count);
    const ProcessResult result = together(count, texts(run, {"--threads", count == 2 ? "2" : "1"}));
    expect_same(run, "whole");
    EXPECT_EQ(without_places(result.out), without_places(whole.out));
  }
  const nlohmann::ordered_json session = read_run_record(dir / "run3").sessions.back();
  ASSERT_EQ(session.at("ranks").size(), 3u);
  std::int64_t asked = 0;
  for (const auto& rank : session.at("ranks")) asked += rank.at("answers").get<std::int64_t>();
  EXPECT_EQ(asked, std::ssize(answers("whole")));
  EXPECT_EQ(session.at("to_ask"), asked);
}

TEST_F(ClusterRun, LikelihoodsAndSweepsAreThoseOfOneProcess) {
  const fs::path data = testing::write_tasks(dir / "data");
  const auto arguments = [&](const std::string& run) {
    return Arguments{"eval",
                     "mmlu",
                     "piqa",
                     "-m",
                     testing::bundled_model().string(),
                     "--data",
                     data.string(),
                     "--loglikelihood",
                     "--sweep",
                     "alpha=0:1:0.25",
                     "--sweep",
                     "boost:factor=2:6:4",
                     "--intervene",
                     "boost:keys=field:question",
                     "-o",
                     (dir / run).string()};
  };
  alone(arguments("whole"));
  for (const int count : {2, 3}) {
    const std::string run = "run" + std::to_string(count);
    together(count, arguments(run));
    expect_same(run, "whole");
  }
}

// Two models of two processes each share the work.
TEST_F(ClusterRun, TeamsMakeTheBitsOfOneProcess) {
  alone(texts("whole"));
  for (const Arguments& how : {Arguments{"--pipeline", "2"}, {"--tensor", "2"}}) {
    const std::string run = "run" + how[0];
    together(4, texts(run, how));
    expect_same(run, "whole");
    const nlohmann::ordered_json ranks = read_run_record(dir / run).sessions.back().at("ranks");
    ASSERT_EQ(ranks.size(), 2u);
    EXPECT_THAT(ranks[0].at("rank").get<std::string>(), ::testing::StartsWith("rank 0 ("));
    EXPECT_THAT(ranks[1].at("rank").get<std::string>(), ::testing::StartsWith("rank 2 ("));
  }
  const fs::path task = fs::path(REFOCUS_SOURCE) / "examples/chat.yaml";
  const auto chat = [&](const std::string& run) {
    return Arguments{"eval",
                     task.string(),
                     "-m",
                     testing::bundled_model().string(),
                     "--intervene",
                     "none",
                     "--intervene",
                     "rebalance:alpha=1",
                     "--max-new-tokens",
                     "24",
                     "-o",
                     (dir / run).string()};
  };
  alone(chat("whole_chat"));
  together(4, plus(chat("run_chat"), {"--tensor", "2"}));
  expect_same("run_chat", "whole_chat");
  expect_refused(mpirun(ranks(3, texts("run", {"--tensor", "2"}))), 2,
                 {"[--tensor 2] expected a multiple of 2 processes, got 3; start with mpirun -n 2"}, "run");
}

// A later turn's prompt holds the answers before it, which other processes may have given.
TEST_F(ClusterRun, ConversationsAreThoseOfOneProcess) {
  const auto arguments = [&](const std::string& run) {
    return Arguments{"eval",
                     (fs::path(REFOCUS_SOURCE) / "examples/chat.yaml").string(),
                     "-m",
                     testing::bundled_model().string(),
                     "--direct",
                     "--intervene",
                     "none",
                     "--intervene",
                     "rebalance:alpha=1",
                     "--max-new-tokens",
                     "24",
                     "-o",
                     (dir / run).string()};
  };
  alone(arguments("whole"));
  together(3, arguments("run"));
  expect_same("run", "whole");
}

TEST_F(ClusterRun, HeadsAreThoseOfOneProcess) {
  const auto arguments = [&](const std::string& run) {
    return Arguments{"heads",      "worlds",
                     "-m",         testing::bundled_model().string(),
                     "--subjects", "codes,jobs",
                     "--limit",    "6",
                     "-o",         (dir / run).string()};
  };
  alone(arguments("whole"));
  together(3, arguments("run"));
  expect_same_files("run", "whole");
  const auto patching = [&](const std::string& run) {
    return Arguments{"heads",
                     (fs::path(REFOCUS_SOURCE) / "examples/pairs.yaml").string(),
                     "-m",
                     testing::bundled_model().string(),
                     "--by",
                     "patch",
                     "--layers-first",
                     "1",
                     "-o",
                     (dir / run).string()};
  };
  alone(patching("whole_patch"));
  together(2, patching("run_patch"));
  expect_same_files("run_patch", "whole_patch");
}

TEST_F(ClusterRun, StudiesAreThoseOfOneProcess) {
  const auto arguments = [&](const std::string& run) {
    return Arguments{"study",
                     "worlds",
                     "-m",
                     testing::bundled_model().string(),
                     "--subjects",
                     "codes,jobs",
                     "--limit",
                     "4",
                     "--direct",
                     "--intervene",
                     "none",
                     "--intervene",
                     "rebalance",
                     "--against",
                     testing::bundled_model().string(),
                     "-o",
                     (dir / run).string()};
  };
  alone(arguments("whole"));
  together(3, arguments("run"));
  expect_same_files("run", "whole");
}

TEST_F(ClusterRun, PerplexityIsThatOfOneProcess) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "The crate " + std::to_string(i) + " lies in the lab. ";
  testing::write_file(dir / "text.txt", text);
  const Arguments arguments = {"eval",
                               "perplexity",
                               (dir / "text.txt").string(),
                               "-m",
                               testing::bundled_model().string(),
                               "--context",
                               "64",
                               "--intervene",
                               "rebalance",
                               "--json"};
  const ProcessResult whole = alone(arguments);
  for (const int count : {2, 3}) EXPECT_EQ(together(count, arguments).out, whole.out);
}

TEST_F(ClusterRun, GoesOnWhereOneProcessStoppedAndTheOtherWayRound) {
  alone(texts("whole"));
  alone(texts("run", {"--shard", "1/2"}));
  const std::size_t first = answers("run").size();
  EXPECT_LT(first, answers("whole").size());
  together(2, texts("run"));
  expect_same("run", "whole");
  const ProcessResult again = alone(texts("run"));
  EXPECT_THAT(again.err, ::testing::HasSubstr("going on with the run"));
  EXPECT_EQ(read_run_record(dir / "run").sessions.back().at("to_ask"), 0);
}

TEST_F(ClusterRun, RefusesRanksThatAreNotAlike) {
  const std::string other = (dir / "other").string();
  fs::copy(testing::bundled_model(), other, fs::copy_options::recursive);
  std::string weights = file_text(dir / "other/model.safetensors");
  weights[weights.size() - 3] ^= 1;
  testing::write_file(dir / "other/model.safetensors", weights);
  const Arguments own = texts("run");
  Arguments its = own;
  std::ranges::replace(its, testing::bundled_model().string(), other);
  expect_refused(
      mpirun(each({{own}, {own}, {its}})), 1,
      {"[rank 2 (", "expected the model file model.safetensors of rank 0 (", "got another; give all"}, "run");
  expect_refused(mpirun(each({{own}, {own, {"env", "REFOCUS_SIMD=ssse3"}}})), 1,
                 {"[rank 1 (", "expected the instruction set of rank 0 (", "got SSSE3", "REFOCUS_SIMD"},
                 "run");
  Arguments longer = own;
  std::ranges::replace(longer, std::string("48"), std::string("49"));
  expect_refused(mpirun(each({{own}, {longer}})), 1,
                 {"[rank 1 (", "expected the run's generation of rank 0", "start the same command"}, "run");
  expect_refused(mpirun(each({{own}, {texts("run", {"--frob"})}})), 1, {"[rank 1 (", "got --frob"}, "run");
  std::ranges::replace(its, other, std::string("/nosuch"));
  expect_refused(mpirun(each({{own}, {its}, {own}})), 1, {"[rank 1 (", "'/nosuch'", "check the path"}, "run");
  expect_refused(mpirun(each({{its}, {own}})), 1, {"refocus: [--model] ", "'/nosuch'"}, "run");
}

// Before there is a roll to call, the others of a team wait for it in calls of the model's.
TEST_F(ClusterRun, AFailureWithinATeamEndsAll) {
  const Arguments own = texts("run", {"--pipeline", "2"});
  Arguments its = own;
  std::ranges::replace(its, testing::bundled_model().string(), std::string("/nosuch"));
  expect_refused(mpirun(each({{own}, {its}})), 1, {"refocus: rank 1 (", "): [--model] ", "'/nosuch'"}, "run");
  expect_refused(mpirun(each({{its}, {own}})), 1, {"refocus: [--model] ", "'/nosuch'"}, "run");
}

TEST_F(ClusterRun, RefusesWhatCannotBeShared) {
  expect_refused(
      mpirun(ranks(2, {"generate", "-p", "Hi"})), 2,
      {"[mpirun] expected a command that several processes share (eval, heads, study), got generate"}, "run");
  expect_refused(mpirun(ranks(2, {"heads", "--detect", "-o", (dir / "run").string()})), 2,
                 {"[--detect] expected a search of heads"}, "run");
  expect_refused(mpirun(ranks(2, texts("run", {"--frob"}))), 2, {"--frob"}, "run");
}

TEST_F(ClusterRun, SaysWhereTheLibraryShouldBe) {
  const ProcessResult result =
      mpirun(plus({"-x", "REFOCUS_CLUSTER_LIBRARY=/nosuch.so"}, ranks(2, texts("run"))));
  EXPECT_NE(result.status, 0);
  EXPECT_THAT(result.err,
              ::testing::HasSubstr("expected the library librefocus_cluster.so, got no file /nosuch.so"));
  EXPECT_FALSE(fs::exists(dir / "run"));
}

}  // namespace
}  // namespace refocus
