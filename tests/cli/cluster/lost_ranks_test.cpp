// Processes that are killed, told to stop, or cannot write: no finished answer is lost, and the same command
// goes on.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include "cli/cluster/mpi_run.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::plus;
using testing::Process;
using testing::ProcessResult;

class LostRanks : public testing::MpiRun {
 protected:
  LostRanks() {
    items = 40;
    batch = 2;
  }

  // Waits until the run has so many answers, or has ended.
  void wait_for(Process& process, const std::string& run, std::int64_t count) {
    while (process.running() && testing::answers_of_run(dir / run) < count) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  void expect_kept(const std::vector<std::string>& before, const std::string& run) {
    const std::vector<std::string> now = answers(run);
    EXPECT_TRUE(std::includes(now.begin(), now.end(), before.begin(), before.end()))
        << "an answer was lost or changed";
  }
};

// REFOCUS_KILLS: how many, for a longer test.
TEST_F(LostRanks, KilledAtRandomMomentsNothingIsLost) {
  const char* said_kills = std::getenv("REFOCUS_KILLS");
  const int kills = said_kills != nullptr ? std::atoi(said_kills) : 6;
  constexpr int kRanks = 3;
  ASSERT_EQ(testing::refocus(texts("whole")).status, 0);
  const std::vector<std::string> whole = answers("whole");
  std::mt19937 random(17);
  int killed = 0, runs = 0, of_leader = 0;
  while (killed < kills) {
    const std::string run = "run" + std::to_string(runs++);
    ProcessResult last;
    for (int session = 0; last.status != 0; ++session) {
      ASSERT_LT(session, 200);
      const std::vector<std::string> before = answers(run);
      Process process(ranks(kRanks, texts(run)), mpirun_options());
      const bool kill = killed < kills && before.size() + 1 < whole.size();
      if (kill) {
        wait_for(process, run, std::ssize(before) + 1 + static_cast<std::int64_t>(random() % 60));
        const std::size_t rank = random() % kRanks;
        const pid_t pid = pids(run, kRanks)[rank];
        if (pid != 0 && ::kill(pid, SIGKILL) == 0) {
          ++killed;
          of_leader += rank == 0;
        }
      }
      last = process.wait();
      expect_kept(before, run);
    }
    EXPECT_EQ(answers(run), whole);
    expect_same(run, "whole");
  }
  EXPECT_GE(killed, kills);
  std::printf("killed %d processes, %d of them leaders, in %d runs\n", killed, of_leader, runs);
}

TEST_F(LostRanks, TheLauncherSaysWhoWasKilled) {
  Process process(ranks(2, texts("run")), mpirun_options());
  wait_for(process, "run", 2);
  const pid_t pid = pids("run", 2)[1];
  ASSERT_NE(pid, 0);
  ::kill(pid, SIGKILL);
  const ProcessResult result = process.wait();
  EXPECT_NE(result.status, 0);
  EXPECT_THAT(result.err, ::testing::HasSubstr("on signal 9 (Killed)"));
  EXPECT_GE(answers("run").size(), 2u);
}

// What a batch system sends before a time limit ends the job.
TEST_F(LostRanks, ToldToStopAllEndInOrderAndGoOn) {
  ASSERT_EQ(testing::refocus(texts("whole")).status, 0);
  struct Case {
    int rank, signal;
  };
  for (const Case& one : {Case{0, SIGUSR1}, Case{1, SIGUSR1}, Case{2, SIGTERM}, Case{0, SIGTERM}}) {
    const std::string run = "run" + std::to_string(one.rank) + "_" + std::to_string(one.signal);
    Process process(ranks(3, texts(run)), mpirun_options());
    wait_for(process, run, 3);
    const pid_t pid = pids(run, 3)[static_cast<std::size_t>(one.rank)];
    ASSERT_NE(pid, 0);
    ::kill(pid, one.signal);
    const ProcessResult stopped = process.wait();
    EXPECT_EQ(stopped.status, 0) << stopped.err;
    const std::vector<std::string> before = answers(run);
    EXPECT_GE(before.size(), 3u);
    if (before.size() < answers("whole").size()) {
      const std::vector<std::string> lines = said(stopped);
      ASSERT_EQ(lines.size(), 1u) << stopped.err;
      EXPECT_THAT(lines[0], ::testing::HasSubstr("stopped by"));
      EXPECT_THAT(lines[0], ::testing::HasSubstr("the same command goes on from there"));
    }
    ASSERT_EQ(mpirun(ranks(2, texts(run))).status, 0);
    expect_kept(before, run);
    expect_same(run, "whole");
  }
}

// Processes of one model end in step, whoever is told.
TEST_F(LostRanks, TeamsToldToStopEndInOrderAndGoOn) {
  ASSERT_EQ(testing::refocus(texts("whole")).status, 0);
  for (const std::size_t rank : {0u, 1u, 3u}) {
    const std::string run = "run" + std::to_string(rank);
    const Arguments arguments = texts(run, {"--pipeline", "2"});
    Process process(ranks(4, arguments), mpirun_options());
    wait_for(process, run, 3);
    const pid_t pid = pids(run, 4)[rank];
    ASSERT_NE(pid, 0);
    ::kill(pid, SIGUSR1);
    const ProcessResult stopped = process.wait();
    EXPECT_EQ(stopped.status, 0) << stopped.err;
    const std::vector<std::string> before = answers(run);
    if (before.size() < answers("whole").size()) {
      EXPECT_EQ(said(stopped).size(), 1u) << stopped.err;
    }
    ASSERT_EQ(mpirun(ranks(4, arguments)).status, 0);
    expect_kept(before, run);
    expect_same(run, "whole");
  }
}

TEST_F(LostRanks, AFullDiskOfTheLeaderEndsAllAndLosesNothing) {
  ASSERT_EQ(testing::refocus(texts("whole")).status, 0);
  // Its MPI must not need files of its own: messages go by TCP.
  const Arguments tcp = {"--mca", "btl", "tcp,self"};
  const Arguments words = {"-n", "1", "bash", "-c", "ulimit -f 96; exec \"$0\" \"$@\"", REFOCUS_PROGRAM};
  const ProcessResult full = mpirun(
      plus(tcp, plus(plus(words, texts("run")), plus({":", "-n", "2", REFOCUS_PROGRAM}, texts("run")))));
  EXPECT_EQ(full.status, 1) << full.err;
  const std::vector<std::string> lines = said(full);
  ASSERT_EQ(lines.size(), 1u) << full.err;
  EXPECT_THAT(lines[0], ::testing::HasSubstr("free some space, then run the same command again"));
  const std::vector<std::string> before = answers("run");
  EXPECT_LT(before.size(), answers("whole").size());
  ASSERT_EQ(mpirun(ranks(3, texts("run"))).status, 0);
  expect_kept(before, "run");
  expect_same("run", "whole");
}

}  // namespace
}  // namespace refocus
