// A confidence interval.
#pragma once

namespace refocus {

inline constexpr double kConfidence = 0.95;  // of every interval that the project reports

struct Interval {
  double low = 0, high = 0;
};

}  // namespace refocus
