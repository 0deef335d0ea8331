#include "cli/model_hashes.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "base/hash_cache.h"

namespace refocus::cli {

namespace {

constexpr std::int64_t kWorthALine = 64 << 20;  // bytes that are still to be read

// Silent for two seconds; then on a terminal one line that is rewritten, elsewhere a line every half minute.
class HashingProgress {
 public:
  ~HashingProgress() {
    if (open_line_) fmt::print(stderr, "\n");
  }
  void show(std::int64_t done, std::int64_t total) {
    if (!spdlog::should_log(spdlog::level::info)) return;
    const auto now = Clock::now();
    if (now < next_ || total - done < kWorthALine) return;
    next_ = now + (terminal_ ? std::chrono::milliseconds(500) : std::chrono::seconds(30));
    const auto gigabytes = [](std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; };
    const double seconds = std::chrono::duration<double>(now - begin_).count();
    fmt::print(
        stderr,
        "{}reading the model's files once, to know them again: {:.1f} of {:.1f} GB, {:.1f} GB a second{}",
        terminal_ ? "\r\x1b[K" : "", gigabytes(done), gigabytes(total), gigabytes(done) / seconds,
        terminal_ ? "" : "\n");
    std::fflush(stderr);
    open_line_ = terminal_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  const Clock::time_point begin_ = Clock::now();
  Clock::time_point next_ = begin_ + std::chrono::seconds(2);
  bool open_line_ = false;
};

}  // namespace

FileHashes hash_model_files(std::span<const UsedFile> files, ThreadPool& pool) {
  HashCache cache(default_hash_cache());
  HashingProgress progress;
  return hash_files(files, pool, cache,
                    [&](std::int64_t done, std::int64_t total) { progress.show(done, total); });
}

}  // namespace refocus::cli
