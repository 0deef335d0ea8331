// One piece of work, done by all processes: the leader (rank 0) has the list of what is to be done and keeps
// what comes back; everyone, the leader too, takes from the list as it goes, so that a slow process takes
// less.
//
// Work goes through phases, which all processes enter in the same order. What a unit's result is must depend
// on the unit alone.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cluster/work_queue.h"
#include "comm/communicator.h"

namespace refocus {

// What a process does in a phase: takes units' payloads until there are none for good, and gives results, in
// any order; a result need not be of one unit alone. Both are called on the thread that computes.
using NextUnit = std::function<std::optional<std::string>()>;
using GiveResult = std::function<void(std::string result)>;
using DoWork = std::function<void(const NextUnit& next, const GiveResult& give)>;

// Called with each result, by one thread at a time, but not always the same one.
using TakeResult = std::function<void(const std::string& result)>;

// What a process did, for progress and the record.
struct WorkerTally {
  std::string host;
  std::int64_t units = 0;  // taken
};

// A line of what each did in so many seconds, by rank: "rank 0 (node1) 30 (1.5 a second), rank 1 (node2) 28
// (1.4 a second)"; of many ranks the slowest and the fastest.
std::string tallies_text(const std::vector<WorkerTally>& tallies, double seconds);

// The work was broken off because a process was told to stop (a signal): what was finished is kept.
struct WorkStopped : std::exception {
  const char* what() const noexcept override { return "stopped"; }
};

class WorkShare {
 public:
  struct Options {
    std::int64_t ahead = 16;               // units that a process has beside those that it is at, at most
    std::chrono::milliseconds beat{2000};  // how often a process says that it is there
    std::chrono::milliseconds patience{60000};     // after which one that says nothing is lost
    std::chrono::seconds telling{60};              // between lines of what each process did
    std::function<void(const std::string&)> tell;  // takes such a line; of the leader
    std::function<bool()> asked_to_stop;           // a signal has come; asked from another thread
  };

  // Collective. `comm` must outlive it.
  WorkShare(Communicator& comm, const std::string& host, Options options);
  // The leader tells the others that there is no more work.
  ~WorkShare();
  WorkShare(const WorkShare&) = delete;
  WorkShare& operator=(const WorkShare&) = delete;

  bool leads() const { return rank_ == 0; }
  int size() const { return size_; }

  // The leader's. Returns when all results are there. InputError with a worker's error, which says which rank
  // it was on; what `take` throws; WorkStopped.
  void run(const std::string& phase, std::vector<WorkUnit> units, const DoWork& work, const TakeResult& take);

  // The others'. Calls work_of(phase) for each phase and does that, until the leader has no more. An error
  // goes to the leader, and is thrown here as WorkStopped, as it is when the leader has failed or was told to
  // stop.
  void serve(const std::function<DoWork(const std::string& phase)>& work_of);

  // Throws WorkStopped where the work is to be broken off: to be called at every step of long work.
  void check_stopped() const;

  // The leader's: of every rank, since the beginning.
  std::vector<WorkerTally> tallies() const;

 private:
  struct Phase;
  using Clock = std::chrono::steady_clock;

  void lead();  // the leader's other thread: answers the others
  void beat();  // the others' other thread: says that they are there
  bool answer_once();
  void handle(const Message& message);
  void look_at_pulses(Clock::time_point now);
  void tell_tallies(Clock::time_point now);
  void fail(std::exception_ptr failure);
  void stop();
  void wait_for_all();
  void lose(int rank);

  Communicator& comm_;
  // Of the leader, each is used under mutex_; of the others, by the thread that computes, and the other one.
  std::unique_ptr<Communicator> work_, pulse_;
  Options options_;
  int rank_, size_;
  std::vector<std::string> hosts_;  // [ranks]
  std::atomic<bool> ends_ = false, stopped_ = false;

  mutable std::mutex mutex_;  // of what follows
  std::unique_ptr<Phase> phase_;
  std::exception_ptr failure_;
  std::vector<WorkerTally> tallies_;      // [ranks]
  std::vector<Clock::time_point> heard_;  // [ranks]
  Clock::time_point said_;
  Clock::time_point told_ = Clock::now();  // when the tallies were told
  std::vector<WorkerTally> tallies_then_;  // [ranks]
  std::thread thread_;
};

}  // namespace refocus
