#include "eval/text/progress.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>

namespace refocus {

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

Progress::Progress(std::string label, std::int64_t total, std::int64_t done)
    : label_(std::move(label)),
      total_(total),
      done_(done),
      first_done_(done),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      shown_(start_) {}

Progress::~Progress() {
  if (done_ > first_done_) show(Clock::now());
  if (open_line_) fmt::print(stderr, "\n");
}

void Progress::advance(std::int64_t tokens) {
  ++done_;
  tokens_ += tokens;
  const Clock::time_point now = Clock::now();
  if (now - shown_ >= (terminal_ ? std::chrono::milliseconds(500) : std::chrono::seconds(30))) show(now);
}

void Progress::show(Clock::time_point now) {
  shown_ = now;
  if (!spdlog::should_log(spdlog::level::info)) return;
  const double seconds = std::max(1e-9, std::chrono::duration<double>(now - start_).count());
  const double rate = static_cast<double>(done_ - first_done_) / seconds;
  const std::string left =
      done_ == total_ ? "done in " + duration_text(seconds)
                      : duration_text(static_cast<double>(total_ - done_) / std::max(rate, 1e-9)) + " left";
  const std::string line = fmt::format(
      "{}: {} of {} ({:.0f}%), {:.1f} a second, {:.0f} tokens a second, {}", label_, done_, total_,
      100.0 * static_cast<double>(done_) / static_cast<double>(std::max<std::int64_t>(1, total_)), rate,
      static_cast<double>(tokens_) / seconds, left);
  if (terminal_) {
    fmt::print(stderr, "\r\x1b[K{}", line);
    open_line_ = true;
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

}  // namespace refocus
