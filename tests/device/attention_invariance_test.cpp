// A row of attention has the same bits whatever else is in the call, and however its prompt is cut.
#include "attention_support.h"

namespace refocus {
namespace {

using testing::AttentionProblem;
using testing::AttentionRun;
using testing::Rebalancing;

constexpr std::int64_t kPromptRows = 150;

class AttentionInvariance : public testing::EveryDevice {
 protected:
  // The first sequence of the problem, its rows in chunks of one call each; between others where `company`.
  std::vector<float> in_chunks(const AttentionProblem& problem, std::int64_t chunk, bool company,
                               DevicePrecision precision) const {
    std::vector<float> out;
    for (std::int64_t first = 0; first < kPromptRows; first += chunk) {
      const AttentionRun own{0, first, std::min(chunk, kPromptRows - first)};
      std::vector<AttentionRun> runs = {own};
      if (company) runs = {{1, 0, 70}, {2, 299, 1}, own, {3, 6, 3}};
      const std::vector<float> all = problem.run(device(), runs, precision);
      const auto begin = all.begin() + (company ? 71 * problem.width() : 0);
      out.insert(out.end(), begin, begin + own.rows * problem.width());
    }
    return out;
  }
  void check(const AttentionProblem& problem) const {
    std::vector<std::int64_t> chunks = {1, 2, 3, 7, 32, 50, 63, 64, 65, 75, 150};
    if (is_reference()) chunks = {1, 7, 64};  // it goes row by row
    for (const DevicePrecision precision : precisions()) {
      const std::vector<float> whole = in_chunks(problem, kPromptRows, false, precision);
      for (const std::int64_t chunk : chunks) {
        const bool single_rows = chunk == 1 || kPromptRows % chunk == 1;
        if (precision == DevicePrecision::kHalf && single_rows) continue;  // float32 for those
        for (const bool company : {false, true}) {
          ASSERT_TRUE(in_chunks(problem, chunk, company, precision) == whole)
              << testing::name_of(precision) << " " << name_of(problem.type) << " head_dim "
              << problem.shape.head_dim << ", chunks of " << chunk << (company ? " in company" : "");
        }
      }
    }
  }
};

TEST_P(AttentionInvariance, OfChunksAndCompany) {
  constexpr std::int64_t kKeys[] = {kPromptRows, 70, 300, 9};
  for (const DType type : {DType::kF16, DType::kF32}) {
    for (const std::int64_t head_dim : {64, 128, 20}) {
      const AttentionProblem problem(testing::attention_shape(2, 1, head_dim), type, kKeys, 1);
      check(problem);
    }
  }
}

TEST_P(AttentionInvariance, OfChunksWithWindowsSinksAndCaps) {
  constexpr std::int64_t kKeys[] = {kPromptRows, 70, 300, 9};
  for (const std::int64_t window : {0, 20, 100}) {
    AttentionShape shape = testing::attention_shape(4, 2, 64);
    shape.window = window;
    shape.softcap = window == 20 ? 5.0f : 0.0f;
    AttentionProblem problem(shape, DType::kF16, kKeys, 2);
    problem.add_sinks(3);
    check(problem);
  }
}

// M, and what is made of weights by it.
TEST_P(AttentionInvariance, OfReBalancing) {
  constexpr std::int64_t kKeys[] = {kPromptRows}, kHeads = 4, kWords = 5;
  const AttentionProblem problem(testing::attention_shape(kHeads, 2, 64), DType::kF16, kKeys, 4);
  const auto run = [&](std::int64_t chunk, DevicePrecision precision) {
    std::pair<std::vector<float>, std::vector<std::uint32_t>> out;
    for (std::int64_t first = 0; first < kPromptRows; first += chunk) {
      const AttentionRun own{0, first, std::min(chunk, kPromptRows - first)};
      Rebalancing change{{}, {}, {0.02f}, kWords, {}};
      change.mask.resize(static_cast<std::size_t>(own.rows * kHeads * kWords));
      problem.run(device(), {&own, 1}, precision, &change);
      out.second.insert(out.second.end(), change.mask.begin(), change.mask.end());
      change.thresholds.clear();
      change.sequences = {{0.7f, 0, {0xB}}};
      change.row_acts.assign(static_cast<std::size_t>(own.rows), 1);
      const std::vector<float> rows = problem.run(device(), {&own, 1}, precision, &change);
      out.first.insert(out.first.end(), rows.begin(), rows.end());
    }
    return out;
  };
  for (const DevicePrecision precision : precisions()) {
    const auto whole = run(kPromptRows, precision);
    for (const std::int64_t chunk : {1, 2, 50, 64}) {
      if (chunk == 1 && precision == DevicePrecision::kHalf) continue;
      ASSERT_TRUE(run(chunk, precision) == whole) << testing::name_of(precision) << " chunks of " << chunk;
    }
  }
}

REFOCUS_EVERY_DEVICE(AttentionInvariance);

}  // namespace
}  // namespace refocus
