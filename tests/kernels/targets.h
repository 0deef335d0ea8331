// Runs kernel tests once for every instruction set that was compiled and that this machine has.
#pragma once

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <random>
#include <vector>

namespace refocus::testing {

class EveryTarget : public ::testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override {
    hwy::SetSupportedTargetsForTest(GetParam());
    hwy::GetChosenTarget().Update(GetParam());
  }
  void TearDown() override {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

// The instruction sets kernels are compiled for (src/kernels/CMakeLists.txt) that this machine can run.
inline std::vector<std::int64_t> compiled_targets() {
  std::vector<std::int64_t> out;
  for (const std::int64_t target : {HWY_SSSE3, HWY_AVX2, HWY_AVX3, HWY_NEON, HWY_SVE}) {
    if ((hwy::SupportedTargets() & target) != 0) out.push_back(target);
  }
  return out;
}

inline std::vector<float> random_floats(std::size_t count, unsigned seed, float scale = 1) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> out(count);
  for (float& v : out) v = normal(engine);
  return out;
}

}  // namespace refocus::testing

#define REFOCUS_EVERY_TARGET(suite)                                                                     \
  INSTANTIATE_TEST_SUITE_P(Targets, suite, ::testing::ValuesIn(::refocus::testing::compiled_targets()), \
                           [](const auto& info) { return hwy::TargetName(info.param); })
