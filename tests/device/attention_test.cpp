#include "attention_support.h"

namespace refocus {
namespace {

using testing::attention_shape;
using testing::AttentionProblem;
using testing::AttentionRun;

constexpr DType kCacheTypes[] = {DType::kF16, DType::kF32};

class DeviceAttentionTest : public testing::EveryDevice {
 protected:
  // Short and long sequences, in tiles and alone.
  void check_mixed(AttentionProblem& problem) { problem.check(device(), kMixed, precisions()); }
  static constexpr std::int64_t kMixedKeys[] = {1, 2, 31, 32, 33, 63, 64, 65, 300, 700};
  static constexpr AttentionRun kMixed[] = {{0, 0, 1},  {1, 0, 2},  {2, 30, 1}, {3, 0, 32},  {4, 0, 33},
                                            {5, 62, 1}, {6, 59, 5}, {7, 0, 65}, {8, 299, 1}, {9, 679, 21}};
};

TEST_P(DeviceAttentionTest, EqualsThePlainKernelForHeadsOfAllSizes) {
  for (const DType type : kCacheTypes) {
    for (const std::int64_t head_dim : {64, 128, 16, 80, 96, 256, 20}) {
      AttentionProblem problem(attention_shape(4, 2, head_dim), type, kMixedKeys, 10 + head_dim);
      check_mixed(problem);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(DeviceAttentionTest, EqualsThePlainKernelForGroupsOfHeads) {
  const std::int64_t keys[] = {1, 33, 70, 100};
  const AttentionRun runs[] = {{0, 0, 1}, {1, 0, 33}, {2, 65, 5}, {3, 99, 1}};
  const std::int64_t groups[][2] = {{1, 1},  {2, 2},  {8, 1},  {6, 2}, {9, 3},
                                    {32, 8}, {14, 2}, {40, 1}, {71, 1}};
  for (const DType type : kCacheTypes) {
    for (const auto& [heads, kv_heads] : groups) {
      const AttentionProblem problem(attention_shape(heads, kv_heads, 64), type, keys, 20 + heads);
      problem.check(device(), runs, precisions());
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(DeviceAttentionTest, EqualsThePlainKernelForWholePrompts) {
  const std::int64_t keys[] = {300, 129, 66};
  const AttentionRun runs[] = {{0, 0, 300}, {1, 0, 129}, {2, 1, 65}};
  for (const DType type : kCacheTypes) {
    for (const std::int64_t head_dim : {64, 128}) {
      const AttentionProblem problem(attention_shape(2, 1, head_dim), type, keys, 30);
      problem.check(device(), runs, precisions());
    }
  }
}

TEST_P(DeviceAttentionTest, EqualsThePlainKernelForLongSequencesOfOneRowEach) {
  std::vector<std::int64_t> keys;
  std::vector<AttentionRun> runs;
  for (const std::int64_t count :
       {1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 513, 1000, 3001}) {
    runs.push_back({static_cast<std::int64_t>(keys.size()), count - 1, 1});
    keys.push_back(count);
  }
  for (const DType type : kCacheTypes) {
    for (const std::int64_t head_dim : {64, 128}) {
      const AttentionProblem problem(attention_shape(4, 2, head_dim), type, keys, 40);
      problem.check(device(), runs, precisions());
    }
  }
}

// Blocks before what the first row of a call sees are not there.
TEST_P(DeviceAttentionTest, SeesTheWindowAlone) {
  for (const DType type : kCacheTypes) {
    for (const std::int64_t window : {1, 2, 8, 31, 32, 33, 64, 100, 650, 1000}) {
      for (const std::int64_t head_dim : {64, 20}) {
        if (head_dim == 20 && window != 8 && window != 33) continue;
        AttentionShape shape = attention_shape(2, 1, head_dim);
        shape.window = window;
        AttentionProblem problem(shape, type, kMixedKeys, 50 + window);
        check_mixed(problem);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(DeviceAttentionTest, CapsScoresAndAddsSinks) {
  for (const DType type : kCacheTypes) {
    for (const std::int64_t head_dim : {64, 80}) {
      for (const std::int64_t window : {0, 40}) {
        if (head_dim == 80 && window == 0) continue;
        AttentionShape shape = attention_shape(4, 2, head_dim);
        shape.window = window;
        AttentionProblem with_sinks(shape, type, kMixedKeys, 60);
        with_sinks.add_sinks(61);
        check_mixed(with_sinks);
        shape.softcap = 3;
        AttentionProblem capped(shape, type, kMixedKeys, 62);
        check_mixed(capped);
        capped.add_sinks(63);
        check_mixed(capped);
      }
    }
  }
}

TEST_P(DeviceAttentionTest, TakesStridesBeyondTheSizes) {
  for (const DType type : kCacheTypes) {
    AttentionProblem problem(attention_shape(4, 2, 64), type, kMixedKeys, 70);
    problem.q_gap = 128;  // queries, keys and values in one row
    problem.out_gap = 16;
    check_mixed(problem);
  }
}

TEST_P(DeviceAttentionTest, TakesOddSizesAndStrides) {
  for (const DType type : kCacheTypes) {
    for (const std::int64_t head_dim : {1, 3, 12, 33, 64}) {
      AttentionProblem problem(attention_shape(3, 1, head_dim), type, kMixedKeys, 80);
      problem.q_gap = 1;
      problem.out_gap = 3;
      check_mixed(problem);
    }
  }
}

// Scores of some hundred: their largest is taken away before exp. What float32 leaves of such a score is off
// by its 2^-24th part for each of a few roundings.
TEST_P(DeviceAttentionTest, TakesLargeScores) {
  for (const DType type : kCacheTypes) {
    AttentionProblem problem(attention_shape(4, 2, 64), type, kMixedKeys, 90, 100);
    problem.check(device(), kMixed, precisions(), 1e-3);
  }
}

REFOCUS_EVERY_DEVICE(DeviceAttentionTest);

}  // namespace
}  // namespace refocus
