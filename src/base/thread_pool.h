// A fixed set of threads that run the tasks of one parallel loop at a time.
//
// Each thread has a part of the tasks of its own, one after the other, so that what it fetches ahead of one
// is its next one's; a thread that is done helps the others. Workers spin for a short while after a loop and
// sleep only then, because a forward pass is hundreds of short loops. Which thread runs which task is not
// fixed: a task must not depend on it, except for its scratch memory.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <optional>
#include <thread>
#include <vector>

namespace refocus {

class ThreadPool {
 public:
  // Pinned: thread i runs on the i-th processor of the process's affinity alone (round robin where there are
  // more threads). The calling thread is pinned too, and released when the pool ends.
  enum class Placement { kFree, kPinned };

  // `threads` counts the calling thread too; at least 1.
  explicit ThreadPool(int threads, Placement placement = Placement::kFree);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(task, thread) once for every task in [0, tasks), thread in [0, size()), and returns when all
  // are done. The first exception of a body is rethrown here. Not to be called from inside a body.
  template <class Body>
  void parallel_for(std::int64_t tasks, const Body& body) {
    if (tasks <= 0) return;
    if (workers_.empty() || tasks == 1) {
      for (std::int64_t task = 0; task < tasks; ++task) body(task, 0);
      return;
    }
    run(tasks, &body, [](const void* context, std::int64_t task, int thread) {
      (*static_cast<const Body*>(context))(task, thread);
    });
  }

 private:
  // A thread's own part of the loop's tasks.
  struct alignas(64) Part {
    std::atomic<std::int64_t> next{0};
    std::int64_t end = 0;
  };

  using Function = void (*)(const void* context, std::int64_t task, int thread);

  void run(std::int64_t tasks, const void* context, Function function);
  void work(int thread);
  void drain(int thread);
  void drain(Part& part, int thread);

  std::vector<std::thread> workers_;
  std::optional<cpu_set_t> former_affinity_;  // of the calling thread, where pinned
  const void* context_ = nullptr;
  Function function_ = nullptr;
  std::int64_t share_ = 1;  // tasks that a thread takes at a time
  std::exception_ptr failure_;
  std::atomic<bool> failed_{false};
  std::vector<Part> parts_;  // [threads]
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  alignas(64) std::atomic<int> busy_{0};
  std::atomic<bool> stop_{false};
};

// Threads that this process may run at once (its CPU affinity, or its part of that), at least 1.
int available_threads();
// From now on so many processes, of which this is one, have the same processors in equal parts.
void share_processors(int processes);

}  // namespace refocus
