// Logits that two computations of one model make.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

namespace refocus::testing {

// Within 2e-5 of the largest value: what float32 and another order of sums make of it.
inline void expect_close(const std::vector<float>& own, const std::vector<float>& expected,
                         std::string_view what) {
  ASSERT_EQ(own.size(), expected.size()) << what;
  float size = 1, off = 0;
  for (std::size_t i = 0; i < own.size(); ++i) {
    size = std::max(size, std::abs(expected[i]));
    off = std::max(off, std::abs(own[i] - expected[i]));
  }
  EXPECT_LE(off, 2e-5f * size) << what;
}

}  // namespace refocus::testing
