// One model that answers requests of many clients: a thread that runs the scheduler (generate/scheduler.h),
// and a queue before it.
//
// Requests come from any thread at any time and are computed together, whatever their interventions; those
// that wait are taken by priority, the lowest number first, and in the order they came. What a request's
// answer is does not depend on what is beside it.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "generate/scheduler.h"

namespace refocus::server {

// One sequence to be generated. Callbacks are called on the engine's thread, and must return soon. One that
// is running when cancel() is called may still be followed by those of the same step.
struct Job {
  GenerationRequest request;  // its id is the engine's to choose; `stream` is the caller's
  std::function<void(const GeneratedToken&)> on_token;  // may be empty
  std::function<void(GenerationResult&&)> on_done;
  std::function<void(const std::string& message)> on_failure;  // instead of on_done; the message is a line
  std::int64_t priority = 0;
};

struct EngineOptions {
  std::int64_t sequences = 64;  // computed at once
  std::int64_t context = 0;     // most tokens a sequence may have; the model's where 0
  std::int64_t kv_bytes = 0;    // memory of the cache
  std::size_t queue = 1024;     // sequences that may wait
};

struct EngineStats {
  SchedulerStats scheduler;
  std::size_t queued = 0;   // not taken yet
  std::size_t running = 0;  // taken
  std::uint64_t done = 0, cancelled = 0, failed = 0, refused = 0;
};

class Engine {
 public:
  // `model` must outlive the engine, and belongs to its thread from now on.
  Engine(Transformer& model, const EngineOptions& options);
  ~Engine();  // as stop()
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Any thread. InputError where the prompt is none (Scheduler::check), or where prompt and answer together
  // have more tokens than the cache has memory for.
  void check(std::span<const std::int32_t> prompt, const InterventionSpec& intervention,
             std::int64_t max_new_tokens) const;
  std::int64_t context() const { return scheduler_.context(); }
  // Its settings; computing with it is the engine's.
  const Transformer& model() const { return model_; }
  // Most tokens of prompt and answer together: the context, or what there is memory for.
  std::int64_t most_tokens() const { return std::min(context(), scheduler_.most_tokens()); }

  // Most sequences that are taken at once.
  std::size_t queue_limit() const { return queue_limit_; }

  // Any thread. All of them or none: nothing where they do not fit into the queue. Each has passed check().
  std::optional<std::vector<std::uint64_t>> submit(std::vector<Job> jobs);

  // Any thread: whatever state it is in. Nothing for one that has ended.
  void cancel(std::uint64_t id);

  // Lets nothing more happen: all that is queued or running fails with this message. Returns when the thread
  // has ended; not from a callback.
  void stop(const std::string& message = "the server stops");

  EngineStats stats() const;

 private:
  void run();
  bool wait_for_work();
  void apply_cancels();
  std::optional<GenerationRequest> next();
  Job take(std::uint64_t id);
  void fail_taken(const std::string& message);

  const Transformer& model_;
  Scheduler scheduler_;
  const std::size_t queue_limit_;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::deque<Job> queue_;            // in the order to be taken
  std::set<std::uint64_t> cancels_;  // of taken ones
  std::set<std::uint64_t> taken_;
  std::uint64_t next_id_ = 1;
  bool stopping_ = false;
  std::string stop_message_;
  EngineStats stats_;

  std::map<std::uint64_t, Job> jobs_;  // taken; the engine's thread alone
  std::thread thread_;
};

}  // namespace refocus::server
