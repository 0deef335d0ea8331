// Re-balancing on devices: M as bits, made in one call and used in others.
#include "attention_support.h"

namespace refocus {
namespace {

using testing::AttentionProblem;
using testing::AttentionRun;
using testing::PlainAttention;
using testing::Rebalancing;

constexpr std::int64_t kRebalanceKeys[] = {1, 5, 33, 64, 130, 300, 200};
constexpr AttentionRun kRebalanceRuns[] = {{0, 0, 1},   {1, 0, 5},   {2, 0, 33},  {3, 63, 1},
                                           {4, 0, 130}, {5, 299, 1}, {6, 120, 80}};

class DeviceRebalancing : public testing::EveryDevice {
 protected:
  static std::int64_t rows() { return testing::rows_of(kRebalanceRuns); }
  // Masks full of what was there before.
  static Rebalancing with_thresholds(std::int64_t heads, std::vector<float> thresholds) {
    Rebalancing change{{}, {}, std::move(thresholds), 11, {}};
    change.mask.assign(static_cast<std::size_t>(rows() * heads * change.mask_words), 0xA5A5A5A5u);
    return change;
  }
  void check_mask(const AttentionProblem& problem, const Rebalancing& made, const PlainAttention& plain,
                  DevicePrecision precision) const;
};

// Where a weight is as near to the threshold as rounding moves it, a bit may be either.
void DeviceRebalancing::check_mask(const AttentionProblem& problem, const Rebalancing& made,
                                   const PlainAttention& plain, DevicePrecision precision) const {
  const double near = precision == DevicePrecision::kF32 ? 1e-5 : 2e-3;
  std::int64_t row = 0, set = 0;
  for (const AttentionRun& run : kRebalanceRuns) {
    const float threshold = made.thresholds[static_cast<std::size_t>(run.sequence)];
    for (std::int64_t i = 0; i < run.rows; ++i, ++row) {
      if (threshold < 0) continue;
      const std::int64_t position = run.first + i, heads = problem.shape.heads;
      for (std::int64_t h = 0; h < heads; ++h) {
        for (std::int64_t j = 0; j < (position / 32 + 1) * 32; ++j) {
          const bool bit = made.has(row, h, heads, j);
          set += bit ? 1 : 0;
          if (j >= position) {
            ASSERT_FALSE(bit) << "row " << row << " at " << position << ", head " << h << ", key " << j;
            continue;
          }
          const float weight = plain.weights[static_cast<std::size_t>((row * heads + h) * plain.stride + j)];
          if (std::abs(weight - threshold) <= near * threshold) continue;
          ASSERT_EQ(bit, weight > threshold) << testing::name_of(precision) << " row " << row << " at "
                                             << position << ", head " << h << ", key " << j << ": " << weight;
        }
      }
    }
  }
  EXPECT_GT(set, 100);
}

TEST_P(DeviceRebalancing, MakesMasksAndChangesNothing) {
  for (const DType type : {DType::kF16, DType::kF32}) {
    for (const std::int64_t head_dim : {64, 128, 20}) {
      for (const std::int64_t window : {0, 50}) {
        AttentionShape shape = testing::attention_shape(4, 2, head_dim);
        shape.window = window;
        AttentionProblem problem(shape, type, kRebalanceKeys, 1 + head_dim);
        if (window > 0) problem.add_sinks(2);
        const PlainAttention plain = problem.plain(kRebalanceRuns);
        for (const DevicePrecision precision : precisions()) {
          Rebalancing change = with_thresholds(4, {0.01f, 0.3f, 0.02f, 0.01f, 0.01f, 0.005f, -1});
          const std::vector<float> out = problem.run(device(), kRebalanceRuns, precision, &change);
          check_mask(problem, change, plain, precision);
          EXPECT_EQ(out, problem.run(device(), kRebalanceRuns, precision))
              << "making M changed the result of " << testing::name_of(precision);
        }
      }
    }
  }
}

TEST_P(DeviceRebalancing, ChangesWeightsByTheMaskOfAnEarlierLayer) {
  for (const DType type : {DType::kF16, DType::kF32}) {
    for (const std::int64_t head_dim : {64, 128, 20}) {
      const AttentionShape shape = testing::attention_shape(4, 2, head_dim);
      const AttentionProblem first(shape, type, kRebalanceKeys, 3), later(shape, type, kRebalanceKeys, 4);
      for (const DevicePrecision precision : precisions()) {
        Rebalancing change = with_thresholds(4, {0.01f, 0.3f, 0.02f, 0.01f, 0.01f, 0.005f, 0.02f});
        first.run(device(), kRebalanceRuns, precision, &change);
        change.thresholds.clear();
        change.sequences = {{0.5f, 0, {0xF}},  {-0.3f, 0, {0x6}}, {2, 0, {0xF}}, {-1, 0, {0x9}},
                            {0.25f, 0, {0xD}}, {1, 0, {0xF}},     {0, 0, {0xF}}};
        change.row_acts.assign(static_cast<std::size_t>(rows()), 1);
        const std::vector<std::uint32_t> mask = change.mask;
        later.check_change(device(), kRebalanceRuns, precision, change);
        EXPECT_EQ(change.mask, mask) << "a mask that is read was written";
      }
    }
  }
}

// Masks that need not be read hold anything.
TEST_P(DeviceRebalancing, ChangesAllKeysOfSomeRowsAndHeads) {
  for (const DType type : {DType::kF16, DType::kF32}) {
    const AttentionProblem problem(testing::attention_shape(4, 2, 64), type, kRebalanceKeys, 5);
    for (const DevicePrecision precision : precisions()) {
      Rebalancing change = with_thresholds(4, {});
      change.sequences = {{0.5f, 1, {0xF}},  {-0.3f, 1, {0x6}}, {2, 1, {0x1}}, {-1, 1, {0x9}},
                          {0.25f, 1, {0xD}}, {0, 1, {0xF}},     {1, 0, {0xF}}};
      SplitMix64 random(6);
      for (std::int64_t r = 0; r < rows(); ++r) change.row_acts.push_back(random.below(3) == 0 ? 0 : 1);
      for (std::uint32_t& word : change.mask) word = static_cast<std::uint32_t>(random.next());
      problem.check_change(device(), kRebalanceRuns, precision, change);
    }
  }
}

TEST_P(DeviceRebalancing, ChangesWeightsInAWindowWithSinksAndACap) {
  AttentionShape shape = testing::attention_shape(4, 2, 64);
  shape.window = 50;
  shape.softcap = 4;
  for (const DType type : {DType::kF16, DType::kF32}) {
    AttentionProblem problem(shape, type, kRebalanceKeys, 7);
    problem.add_sinks(8);
    for (const DevicePrecision precision : precisions()) {
      Rebalancing change = with_thresholds(4, {});
      change.sequences.assign(7, {0.5f, 0, {0x7}});
      change.sequences[4].all = 1;
      change.row_acts.assign(static_cast<std::size_t>(rows()), 1);
      problem.check_change(device(), kRebalanceRuns, precision, change);
    }
  }
}

TEST_P(DeviceRebalancing, NamesHeadsBeyondTheFirstWord) {
  const AttentionProblem problem(testing::attention_shape(72, 8, 32), DType::kF16, kRebalanceKeys, 9);
  for (const DevicePrecision precision : precisions()) {
    Rebalancing change = with_thresholds(72, {});
    change.sequences.assign(7, {1, 0, {0x80000001u, 0x40000002u, 0x81}});
    change.row_acts.assign(static_cast<std::size_t>(rows()), 1);
    problem.check_change(device(), kRebalanceRuns, precision, change);
  }
}

REFOCUS_EVERY_DEVICE(DeviceRebalancing);

}  // namespace
}  // namespace refocus
