// One line of progress on standard error: how much is done, how fast, how long it will take. Nothing where
// spdlog's default logger shows no lines of level info (refocus -q).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace refocus {

class Progress {
 public:
  // `done` of `total` were there already (a resumed run). On a terminal the line is rewritten about twice a
  // second; elsewhere a line is added every half minute.
  Progress(std::string label, std::int64_t total, std::int64_t done);
  ~Progress();

  // One more item is done, with so many generated tokens.
  void advance(std::int64_t tokens);

 private:
  using Clock = std::chrono::steady_clock;
  void show(Clock::time_point now);

  std::string label_;
  std::int64_t total_, done_, first_done_, tokens_ = 0;
  bool terminal_, open_line_ = false;
  Clock::time_point start_, shown_;
};

// "12 s", "3 min 20 s", "2 h 05 min".
std::string duration_text(double seconds);

}  // namespace refocus
