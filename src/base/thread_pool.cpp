#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace refocus {

namespace {

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// About 50 microseconds of pauses: longer than the gap between two loops of a forward pass.
constexpr int kSpins = 1500;

// Shares of a thread, where there are as many tasks: few enough that taking one costs little beside small
// tasks, and many enough that the last of unequal ones are no long wait.
constexpr std::int64_t kShares = 16;

// Lets the calling thread run on one of `allowed` only.
void pin(const cpu_set_t& allowed, int thread) {
  int skip = thread % std::max(1, CPU_COUNT(&allowed));
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || skip-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ::sched_setaffinity(0, sizeof(one), &one);
    return;
  }
}

}  // namespace

ThreadPool::ThreadPool(int threads, Placement placement) {
  REFOCUS_CHECK(threads >= 1);
  parts_ = std::vector<Part>(static_cast<std::size_t>(threads));
  cpu_set_t allowed;
  const bool pinned =
      placement == Placement::kPinned && ::sched_getaffinity(0, sizeof(allowed), &allowed) == 0;
  if (pinned) former_affinity_ = allowed;
  for (int i = 1; i < threads; ++i) {
    workers_.emplace_back([=, this] {
      if (pinned) pin(allowed, i);
      work(i);
    });
  }
  if (pinned) pin(allowed, 0);
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_release);
  epoch_.fetch_add(1, std::memory_order_acq_rel);
  epoch_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  if (former_affinity_) ::sched_setaffinity(0, sizeof(*former_affinity_), &*former_affinity_);
}

void ThreadPool::run(std::int64_t tasks, const void* context, Function function) {
  context_ = context;
  function_ = function;
  share_ = std::max<std::int64_t>(1, tasks / (kShares * size()));
  for (std::int64_t t = 0; t < size(); ++t) {
    Part& part = parts_[static_cast<std::size_t>(t)];
    part.next.store(tasks * t / size(), std::memory_order_relaxed);
    part.end = tasks * (t + 1) / size();
  }
  busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  drain(0);
  for (int spins = 0; busy_.load(std::memory_order_acquire) != 0; ++spins) {
    if (spins < kSpins) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
  if (failed_.load(std::memory_order_acquire)) {
    failed_.store(false, std::memory_order_relaxed);
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

void ThreadPool::drain(int thread) {
  for (int t = 0; t < size(); ++t) drain(parts_[static_cast<std::size_t>((thread + t) % size())], thread);
}

void ThreadPool::drain(Part& part, int thread) {
  for (;;) {
    const std::int64_t begin = part.next.fetch_add(share_, std::memory_order_relaxed);
    if (begin >= part.end) return;
    const std::int64_t end = std::min(begin + share_, part.end);
    try {
      for (std::int64_t task = begin; task < end; ++task) function_(context_, task, thread);
    } catch (...) {
      if (!failed_.exchange(true, std::memory_order_acq_rel)) failure_ = std::current_exception();
      for (Part& rest : parts_) rest.next.store(rest.end, std::memory_order_relaxed);
    }
  }
}

void ThreadPool::work(int thread) {
  std::uint32_t seen = 0;
  for (;;) {
    std::uint32_t now = epoch_.load(std::memory_order_acquire);
    for (int spins = 0; now == seen && spins < kSpins; ++spins) {
      pause();
      now = epoch_.load(std::memory_order_acquire);
    }
    while (now == seen) {
      epoch_.wait(seen, std::memory_order_acquire);
      now = epoch_.load(std::memory_order_acquire);
    }
    seen = now;
    if (stop_.load(std::memory_order_acquire)) return;
    drain(thread);
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

namespace {
std::atomic<int> processes_that_share = 1;
}

void share_processors(int processes) {
  REFOCUS_CHECK(processes >= 1);
  processes_that_share = processes;
}

int available_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const bool known = ::sched_getaffinity(0, sizeof(set), &set) == 0;
  const int all = known ? CPU_COUNT(&set) : static_cast<int>(std::thread::hardware_concurrency());
  return std::max(1, all / processes_that_share);
}

}  // namespace refocus
