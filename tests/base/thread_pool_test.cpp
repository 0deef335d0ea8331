#include "base/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>

namespace refocus {
namespace {

class ThreadPoolTest : public ::testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, RunsEveryTaskOnce) {
  ThreadPool pool(GetParam());
  for (int round = 0; round < 300; ++round) {
    std::vector<int> seen(static_cast<std::size_t>(round), 0);
    pool.parallel_for(round, [&](std::int64_t task, int thread) {
      ASSERT_LT(thread, pool.size());
      ++seen[static_cast<std::size_t>(task)];
    });
    EXPECT_THAT(seen, ::testing::Each(1));
  }
}

int processors_of_this_thread() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof(set), &set);
  return CPU_COUNT(&set);
}

TEST_P(ThreadPoolTest, PinsEveryThreadAndReleasesTheCaller) {
  const int before = processors_of_this_thread();
  {
    ThreadPool pool(GetParam(), ThreadPool::Placement::kPinned);
    pool.parallel_for(100, [&](std::int64_t, int) { ASSERT_EQ(processors_of_this_thread(), 1); });
  }
  EXPECT_EQ(processors_of_this_thread(), before);
}

TEST_P(ThreadPoolTest, WakesUpAfterSleeping) {
  ThreadPool pool(GetParam());
  std::atomic<int> sum{0};
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    pool.parallel_for(10, [&](std::int64_t task, int) { sum += static_cast<int>(task); });
  }
  EXPECT_EQ(sum, 3 * 45);
}

TEST_P(ThreadPoolTest, RethrowsAndStaysUsable) {
  ThreadPool pool(GetParam());
  EXPECT_THROW(pool.parallel_for(100,
                                 [](std::int64_t task, int) {
                                   if (task == 50) throw std::runtime_error("x");
                                 }),
               std::runtime_error);
  std::atomic<int> count{0};
  pool.parallel_for(100, [&](std::int64_t, int) { ++count; });
  EXPECT_EQ(count, 100);
}

// The thread that has task 0 waits with it until the others have done all the rest, its own part included.
TEST_P(ThreadPoolTest, ThreadsThatAreDoneHelp) {
  ThreadPool pool(GetParam());
  if (pool.size() == 1) return;  // nobody to help
  constexpr int kTasks = 20;
  std::atomic<int> done{0};
  bool helped = false;
  pool.parallel_for(kTasks, [&](std::int64_t task, int) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (task == 0 && done != kTasks - 1 && std::chrono::steady_clock::now() < end)
      std::this_thread::yield();
    if (task == 0) helped = done == kTasks - 1;
    ++done;
  });
  EXPECT_TRUE(helped);
}

// A thread's own tasks lie one after the other, so that what it fetches ahead is its own.
TEST_P(ThreadPoolTest, ThreadsBeginFarApart) {
  ThreadPool pool(GetParam());
  constexpr std::int64_t kTasks = 100;
  std::vector<std::int64_t> first(static_cast<std::size_t>(pool.size()), -1);
  std::atomic<int> begun{0};
  pool.parallel_for(kTasks, [&](std::int64_t task, int thread) {
    std::int64_t& its_first = first[static_cast<std::size_t>(thread)];
    if (its_first >= 0) return;
    its_first = task;
    ++begun;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (begun != pool.size() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  });
  for (std::int64_t t = 0; t < pool.size(); ++t)
    EXPECT_EQ(first[static_cast<std::size_t>(t)], kTasks * t / pool.size());
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, ::testing::Values(1, 2, 5));

}  // namespace
}  // namespace refocus
