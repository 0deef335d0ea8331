#include "server/engine/engine.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace refocus::server {

Engine::Engine(Transformer& model, const EngineOptions& options)
    : model_(model),
      scheduler_(model, {options.sequences, options.context, options.kv_bytes}),
      queue_limit_(options.queue),
      thread_([this] { run(); }) {}

Engine::~Engine() { stop(); }

void Engine::check(std::span<const std::int32_t> prompt, const InterventionSpec& intervention,
                   std::int64_t max_new_tokens) const {
  scheduler_.check(prompt, intervention);
  const std::int64_t most = scheduler_.most_tokens();
  if (std::ssize(prompt) + max_new_tokens <= most) return;
  throw input_error(
      "prompt",
      "expected prompt and answer of at most {} tokens together, for which there is memory, got {}; "
      "ask for fewer, or let the server have more with --kv-memory",
      most, std::ssize(prompt) + max_new_tokens);
}

std::optional<std::vector<std::uint64_t>> Engine::submit(std::vector<Job> jobs) {
  std::vector<std::uint64_t> ids;
  std::string message;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() + jobs.size() > queue_limit_) {
      ++stats_.refused;
      return std::nullopt;
    }
    for (Job& job : jobs) {
      job.request.id = next_id_++;
      ids.push_back(job.request.id);
    }
    for (Job& job : jobs) {
      if (stopping_) break;
      const auto behind = std::ranges::upper_bound(queue_, job.priority, {}, &Job::priority);
      queue_.insert(behind, std::move(job));
    }
    if (stopping_) message = stop_message_;
  }
  work_.notify_one();
  if (!message.empty()) {
    for (Job& job : jobs) job.on_failure(message);
  }
  return ids;
}

void Engine::cancel(std::uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    const auto queued = std::ranges::find_if(queue_, [&](const Job& job) { return job.request.id == id; });
    if (queued != queue_.end()) {
      queue_.erase(queued);
      ++stats_.cancelled;
      return;
    }
    if (!taken_.contains(id)) return;
    cancels_.insert(id);
  }
  work_.notify_one();
}

void Engine::stop(const std::string& message) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) stop_message_ = message;
    stopping_ = true;
  }
  work_.notify_one();
  if (thread_.joinable()) thread_.join();
}

EngineStats Engine::stats() const {
  const std::lock_guard lock(mutex_);
  EngineStats out = stats_;
  out.queued = queue_.size();
  out.running = taken_.size();
  return out;
}

// False where the engine stops. Returns at once where sequences are running.
bool Engine::wait_for_work() {
  std::unique_lock lock(mutex_);
  work_.wait(lock, [&] { return stopping_ || !queue_.empty() || !taken_.empty(); });
  return !stopping_;
}

Job Engine::take(std::uint64_t id) {
  const auto it = jobs_.find(id);
  REFOCUS_CHECK(it != jobs_.end());
  Job job = std::move(it->second);
  jobs_.erase(it);
  const std::lock_guard lock(mutex_);
  taken_.erase(id);
  cancels_.erase(id);
  return job;
}

void Engine::apply_cancels() {
  std::set<std::uint64_t> ids;
  {
    const std::lock_guard lock(mutex_);
    ids.swap(cancels_);
    stats_.cancelled += ids.size();
  }
  for (const std::uint64_t id : ids) {
    if (!jobs_.contains(id)) continue;
    scheduler_.cancel(id);
    take(id);
  }
}

std::optional<GenerationRequest> Engine::next() {
  Job job;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty() || stopping_) return std::nullopt;
    job = std::move(queue_.front());
    queue_.pop_front();
    taken_.insert(job.request.id);
  }
  const std::uint64_t id = job.request.id;
  GenerationRequest request = std::move(job.request);
  jobs_.emplace(id, std::move(job));
  return request;
}

void Engine::fail_taken(const std::string& message) {
  scheduler_.abandon();
  std::vector<std::uint64_t> ids;
  for (const auto& [id, job] : jobs_) ids.push_back(id);
  for (const std::uint64_t id : ids) {
    const Job job = take(id);
    {
      const std::lock_guard lock(mutex_);
      ++stats_.failed;
    }
    job.on_failure(message);
  }
}

void Engine::run() {
  const auto on_token = [&](const GeneratedToken& token) {
    const Job& job = jobs_.at(token.id);
    if (job.on_token) job.on_token(token);
  };
  const auto on_done = [&](GenerationResult&& result) {
    const Job job = take(result.id);
    {
      const std::lock_guard lock(mutex_);
      ++stats_.done;
    }
    job.on_done(std::move(result));
  };
  while (wait_for_work()) {
    apply_cancels();
    try {
      scheduler_.advance([&] { return next(); }, on_done, on_token);
    } catch (const std::exception& e) {
      // Of a weight that is not finite, or for want of memory: which of the sequences met it is not known.
      fail_taken(e.what());
    }
    const std::lock_guard lock(mutex_);
    stats_.scheduler = scheduler_.stats();
  }
  fail_taken(stop_message_);
  std::deque<Job> left;
  {
    const std::lock_guard lock(mutex_);
    left.swap(queue_);
    stats_.failed += left.size();
  }
  for (const Job& job : left) job.on_failure(stop_message_);
}

}  // namespace refocus::server
