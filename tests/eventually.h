// Waiting for what other threads and processes do.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace refocus::testing {

// Generous: for what happens at once on an idle machine.
inline constexpr double kPatience = 60;  // seconds

// Whether `holds` came true; looks again and again.
inline bool eventually(const std::function<bool()>& holds, double seconds = kPatience) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace refocus::testing
