// Runs kernel tests once for every instruction set that was compiled and that this machine has.
#pragma once

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <random>
#include <string>
#include <vector>

#include "kernels/machine_limits.h"
#include "kernels/simd/amx.h"

namespace refocus::testing {

// AMX beside AVX-512, and AVX-512 with its products of bf16: no targets of Highway's. HWY_AVX3 is AVX-512
// without both.
inline constexpr std::int64_t kAmxTarget = 1, kAvx512Bf16Target = 2;

// From now on uses this instruction set, or the best there is.
inline void use_target(std::int64_t target) {
  const bool above = target == kAmxTarget || target == kAvx512Bf16Target;
  const std::int64_t of_highway = above ? HWY_AVX3 : target;
  hwy::SetSupportedTargetsForTest(of_highway);
  hwy::GetChosenTarget().Update(of_highway);
  limit_amx(target == kAmxTarget);
  limit_avx512_bf16(above);
}
inline void use_best_target() {
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  limit_amx(true);
  limit_avx512_bf16(true);
}

// Memory read in one way or the other while this lives (kernels/machine_limits.h).
class ReadAs {
 public:
  explicit ReadAs(bool single_streams) : before_(reads_single_streams()) {
    read_single_streams(single_streams);
  }
  ~ReadAs() { read_single_streams(before_); }
  ReadAs(const ReadAs&) = delete;
  ReadAs& operator=(const ReadAs&) = delete;

 private:
  bool before_;
};

class EveryTarget : public ::testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { use_target(GetParam()); }
  void TearDown() override { use_best_target(); }
};

// The instruction sets kernels are compiled for (src/kernels/CMakeLists.txt) that this machine can run.
inline std::vector<std::int64_t> compiled_targets() {
  std::vector<std::int64_t> out;
  for (const std::int64_t target : {HWY_SSSE3, HWY_AVX2, HWY_AVX3, HWY_NEON, HWY_SVE}) {
    if ((hwy::SupportedTargets() & target) != 0) out.push_back(target);
  }
  return out;
}
// And AMX, for kernels that use it.
inline std::vector<std::int64_t> compiled_targets_and_amx() {
  std::vector<std::int64_t> out = compiled_targets();
  if (amx_int8_in_use()) out.push_back(kAmxTarget);
  return out;
}
// And AVX-512's products of bf16, for kernels that use these.
inline std::vector<std::int64_t> compiled_targets_amx_and_bf16() {
  std::vector<std::int64_t> out = compiled_targets_and_amx();
  if (avx512_bf16_in_use()) out.push_back(kAvx512Bf16Target);
  return out;
}
inline std::string target_name(std::int64_t target) {
  if (target == kAvx512Bf16Target) return "AVX512BF16";
  return target == kAmxTarget ? "AMX" : hwy::TargetName(target);
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
                           [](const auto& info) { return ::refocus::testing::target_name(info.param); })
#define REFOCUS_EVERY_TARGET_AND_AMX(suite)                                                     \
  INSTANTIATE_TEST_SUITE_P(Targets, suite,                                                      \
                           ::testing::ValuesIn(::refocus::testing::compiled_targets_and_amx()), \
                           [](const auto& info) { return ::refocus::testing::target_name(info.param); })
#define REFOCUS_EVERY_TARGET_AMX_AND_BF16(suite)                                                     \
  INSTANTIATE_TEST_SUITE_P(Targets, suite,                                                           \
                           ::testing::ValuesIn(::refocus::testing::compiled_targets_amx_and_bf16()), \
                           [](const auto& info) { return ::refocus::testing::target_name(info.param); })
