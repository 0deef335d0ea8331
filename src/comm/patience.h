// How one waits for something that no system call tells of: attentively at first, then with ever longer
// sleeps.
#pragma once

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace refocus {

class Patience {
 public:
  // Between two looks. The processor goes to others that want it from the beginning: there may be more ranks
  // than cores.
  void wait() {
    if (++looks_ <= kAttentive) {
      ::sched_yield();
      return;
    }
    std::this_thread::sleep_for(sleep_);
    sleep_ = std::min(2 * sleep_, kLongest);
  }

 private:
  static constexpr int kAttentive = 200;
  static constexpr std::chrono::microseconds kLongest{500};
  int looks_ = 0;
  std::chrono::microseconds sleep_{5};
};

}  // namespace refocus
