#include "cluster/work_share.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "comm/local_group.h"

namespace refocus {
namespace {

std::vector<WorkUnit> numbered(int count) {
  std::vector<WorkUnit> out;
  for (int i = 0; i < count; ++i) out.push_back({std::to_string(i % 3), std::to_string(i)});
  return out;
}

// Holds up to three units at a time and finishes them last first, as a batch may.
DoWork doubling(int rank, const std::function<void(int unit)>& at_each = nullptr) {
  return [rank, at_each](const NextUnit& next, const GiveResult& give) {
    std::vector<std::string> held;
    const auto finish = [&] {
      while (!held.empty()) {
        if (at_each) at_each(std::stoi(held.back()));
        give(held.back() + "=" + std::to_string(2 * std::stoi(held.back())) + " by " + std::to_string(rank));
        held.pop_back();
      }
    };
    while (std::optional<std::string> unit = next()) {
      held.push_back(std::move(*unit));
      if (held.size() == 3) finish();
    }
    finish();
  };
}

WorkShare::Options quick() {
  WorkShare::Options out;
  out.ahead = 4;
  return out;
}

// What the leader got, each "unit=double"; by whom.
struct Kept {
  std::map<std::string, int> by;
  void keep(const std::string& result) {
    const auto at = result.find(" by ");
    EXPECT_TRUE(by.emplace(result.substr(0, at), std::stoi(result.substr(at + 4))).second) << result;
  }
  void expect_all(int units) const {
    ASSERT_EQ(by.size(), static_cast<std::size_t>(units));
    for (int i = 0; i < units; ++i) {
      EXPECT_TRUE(by.contains(std::to_string(i) + "=" + std::to_string(2 * i))) << i;
    }
  }
};

TEST(WorkShare, EveryUnitIsDoneOnce) {
  for (const int ranks : {1, 2, 3, 8}) {
    for (const int units : {0, 1, 2, 100}) {
      run_local_group(ranks, [&](Communicator& comm) {
        WorkShare share(comm, "rank " + std::to_string(comm.rank()), quick());
        if (!share.leads()) return share.serve([&](const std::string&) { return doubling(comm.rank()); });
        Kept kept;
        share.run("doubling", numbered(units), doubling(0), [&](const std::string& r) { kept.keep(r); });
        kept.expect_all(units);
        std::int64_t taken = 0;
        for (const WorkerTally& tally : share.tallies()) taken += tally.units;
        EXPECT_EQ(taken, units);
        EXPECT_EQ(share.tallies().back().name, "rank " + std::to_string(ranks - 1));
      });
    }
  }
}

TEST(WorkShare, TellsWhatEachDid) {
  EXPECT_EQ(tallies_text({{"rank 0 (a)", 30}, {"rank 1 (b)", 0}}, 20),
            "rank 0 (a) 30 (1.5 a second), rank 1 (b) 0 (0.0 a second)");
  std::vector<WorkerTally> many(40, {"n", 5});
  many[7].units = 1;
  many[9].units = 8;
  EXPECT_EQ(tallies_text(many, 2), "40 processes, from n 1 (0.5 a second) to n 8 (4.0 a second)");
  std::vector<std::string> told;
  run_local_group(2, [&](Communicator& comm) {
    WorkShare::Options options = quick();
    options.telling = std::chrono::seconds(3600);
    options.tell = [&](const std::string& line) { told.push_back(line); };
    WorkShare share(comm, "host", options);
    if (!share.leads()) return share.serve([&](const std::string&) { return doubling(comm.rank()); });
    share.run(
        "", numbered(1), [](const NextUnit&, const GiveResult&) {}, [](const std::string&) {});
    share.run("", {}, doubling(0), [](const std::string&) {});
  });
  ASSERT_EQ(told.size(), 2u);
  EXPECT_THAT(told[0], testing::StartsWith("host 0 (0.0 a second), host 1 ("));
  EXPECT_THAT(told[1], testing::StartsWith("host 0 (0.0 a second), host 0 ("));
}

// Two teams of two: the first of each takes units, the other one does the same ones.
TEST(WorkShare, TeamsWorkInStep) {
  std::mutex mutex;
  std::map<int, std::vector<int>> done;  // by rank
  run_local_group(4, [&](Communicator& comm) {
    Team team(comm.split(comm.rank() / 2));
    const auto leaders = comm.split(comm.rank() % 2);
    const DoWork work = doubling(comm.rank(), [&](int unit) {
      const std::lock_guard lock(mutex);
      done[comm.rank()].push_back(unit);
    });
    const WorkOf work_of = [&](const std::string&) { return work; };
    if (!team.leads()) return team.follow(work_of);
    WorkShare share(*leaders, "host", quick(), &team);
    if (!share.leads()) return share.serve(work_of);
    for (int phase = 0; phase < 2; ++phase) {
      Kept kept;
      share.run("", numbered(40), work, [&](const std::string& r) { kept.keep(r); });
      kept.expect_all(40);
    }
  });
  EXPECT_EQ(done[0], done[1]);
  EXPECT_EQ(done[2], done[3]);
  EXPECT_EQ(done[0].size() + done[2].size(), 80u);
}

// As a team does whose other rank has a signal: its own work ends, and the leader hears of it.
TEST(WorkShare, OneThatStopsStopsAll) {
  run_local_group(3, [](Communicator& comm) {
    WorkShare share(comm, "host", quick());
    if (!share.leads()) {
      const DoWork work = doubling(comm.rank(), [&](int) {
        if (comm.rank() == 2) throw Stopped();
      });
      EXPECT_THROW(share.serve([&](const std::string&) { return work; }), Stopped);
      return;
    }
    const auto work = [&](const NextUnit&, const GiveResult&) {
      for (;;) {  // until it is told
        share.check_stopped();
        std::this_thread::yield();
      }
    };
    EXPECT_THROW(share.run("", numbered(3000), work, [](const std::string&) {}), Stopped);
  });
}

TEST(WorkShare, AFailureEndsItsTeam) {
  for (const bool at_result : {false, true}) {
    run_local_group(2, [&](Communicator& comm) {
      Team team(comm.split(0));
      const auto leaders = comm.split(comm.rank());
      std::atomic<int> units = 0;
      // As a model in step does: an error comes to all.
      const DoWork work = doubling(comm.rank(), [&](int) {
        if (!at_result && ++units == 5) throw input_error("weights", "expected some, got none; take others");
      });
      const WorkOf work_of = [&](const std::string&) { return work; };
      if (!team.leads()) {
        if (at_result) {
          EXPECT_THROW(team.follow(work_of), Stopped);
        } else {
          EXPECT_THROW(team.follow(work_of), InputError);
        }
        return;
      }
      WorkShare share(*leaders, "host", quick(), &team);
      int kept = 0;
      EXPECT_THROW(share.run("", numbered(4000), work,
                             [&](const std::string&) {
                               if (at_result && ++kept == 7)
                                 throw input_error("journal", "expected room, got none");
                             }),
                   InputError);
    });
  }
}

TEST(WorkShare, PhasesFollowOneAnother) {
  run_local_group(3, [](Communicator& comm) {
    WorkShare share(comm, "host", quick());
    if (!share.leads()) {
      std::vector<std::string> phases;
      share.serve([&](const std::string& phase) {
        phases.push_back(phase);
        return doubling(comm.rank());
      });
      EXPECT_THAT(phases, testing::ElementsAre("one", "two", "three"));
      return;
    }
    for (const char* phase : {"one", "two", "three"}) {
      Kept kept;
      share.run(phase, numbered(20), doubling(0), [&](const std::string& r) { kept.keep(r); });
      kept.expect_all(20);
    }
  });
}

// Each waits for the others to have one, so none can have done all.
TEST(WorkShare, AllTakePart) {
  constexpr int kRanks = 4;
  std::mutex mutex;
  std::condition_variable changed;
  std::set<int> at_work;
  run_local_group(kRanks, [&](Communicator& comm) {
    const DoWork work = doubling(comm.rank(), [&](int) {
      std::unique_lock lock(mutex);
      at_work.insert(comm.rank());
      changed.notify_all();
      changed.wait(lock, [&] { return at_work.size() == kRanks; });
    });
    WorkShare share(comm, "host", quick());
    if (!share.leads()) return share.serve([&](const std::string&) { return work; });
    Kept kept;
    share.run("", numbered(60), work, [&](const std::string& r) { kept.keep(r); });
    kept.expect_all(60);
    std::set<int> ranks;
    for (const auto& [result, rank] : kept.by) ranks.insert(rank);
    EXPECT_EQ(ranks.size(), static_cast<std::size_t>(kRanks));
  });
}

// What an error on one rank becomes: the leader's, with the rank's name; the others stop.
void expect_failure(int failing, const std::string& message) {
  run_local_group(3, [&](Communicator& comm) {
    const DoWork work = doubling(comm.rank(), [&](int) {
      if (comm.rank() == failing) throw input_error("weights", "expected finite ones, got none; take others");
    });
    WorkShare share(comm, fmt::format("rank {0} (node{0})", comm.rank()), quick());
    if (!share.leads()) {
      EXPECT_THROW(share.serve([&](const std::string&) { return work; }), Stopped);
      return;
    }
    try {
      // Enough for all: the failing rank may be late.
      share.run(
          "", numbered(3000),
          [&](const NextUnit& next, const GiveResult& give) {
            if (failing == 0) return work(next, give);
            for (;;) {  // as long as it takes the other one to fail
              share.check_stopped();
              std::this_thread::yield();
            }
          },
          [](const std::string&) {});
      FAIL();
    } catch (const InputError& error) {
      EXPECT_EQ(std::string(error.what()), message);
    }
  });
}

TEST(WorkShare, AnErrorOfARankIsToldWithItsName) {
  expect_failure(1, "[rank 1 (node1)] [weights] expected finite ones, got none; take others");
  expect_failure(2, "[rank 2 (node2)] [weights] expected finite ones, got none; take others");
  expect_failure(0, "[weights] expected finite ones, got none; take others");
}

TEST(WorkShare, AResultThatCannotBeKeptEndsTheWork) {
  run_local_group(3, [](Communicator& comm) {
    WorkShare share(comm, "host", quick());
    if (!share.leads()) {
      EXPECT_THROW(share.serve([&](const std::string&) { return doubling(comm.rank()); }), Stopped);
      return;
    }
    std::size_t kept = 0;
    EXPECT_THROW(share.run("", numbered(3000), doubling(0),
                           [&](const std::string&) {
                             if (++kept == 10)
                               throw input_error("journal", "expected room, got none; free some");
                           }),
                 InputError);
  });
}

TEST(WorkShare, ASignalOnAnyRankStopsAll) {
  for (const int told : {0, 2}) {
    std::atomic<bool> signal = false;
    run_local_group(3, [&](Communicator& comm) {
      WorkShare::Options options = quick();
      options.asked_to_stop = [&, rank = comm.rank()] { return rank == told && signal; };
      const DoWork endless = [&](const NextUnit& next, const GiveResult& give) {
        while (std::optional<std::string> unit = next()) give(*unit);
      };
      WorkShare share(comm, "host", options);
      if (!share.leads()) {
        EXPECT_THROW(share.serve([&](const std::string&) { return endless; }), Stopped);
        return;
      }
      std::int64_t kept = 0;
      const auto work = [&](const NextUnit& next, const GiveResult& give) {
        give(next().value());
        signal = true;
        for (;;) {
          share.check_stopped();
          std::this_thread::yield();
        }
      };
      EXPECT_THROW(share.run("", numbered(100000), work, [&](const std::string&) { ++kept; }), Stopped);
      EXPECT_GE(kept, 1);
    });
  }
}

TEST(WorkShareDeathTest, ARankThatSaysNothingIsLost) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run_local_group(2,
                              [](Communicator& comm) {
                                WorkShare::Options options = quick();
                                options.beat = std::chrono::milliseconds(20);
                                options.patience = std::chrono::milliseconds(1000);
                                if (comm.rank() == 1) {
                                  // It takes part in the beginning, and is never heard again.
                                  comm.split(0);
                                  comm.split(0);
                                  gather_texts(comm, "rank 1 (node7)");
                                  comm.receive(0, 99);
                                }
                                WorkShare share(comm, "node1", options);
                                share.run("", numbered(3), doubling(0), [](const std::string&) {});
                              }),
              testing::ExitedWithCode(1), "expected a word of rank 1 \\(node7\\) within 1 s");
}

}  // namespace
}  // namespace refocus
