// scores() and weigh(), between which the processor makes weights.
#include "attention_support.h"

namespace refocus {
namespace {

using testing::AttentionCall;
using testing::AttentionProblem;
using testing::AttentionRun;
using testing::kRoundoff;
using testing::OnDevice;

constexpr std::int64_t kHookedKeys[] = {1, 33, 64, 100, 300};
constexpr AttentionRun kHookedRuns[] = {{0, 0, 1}, {1, 0, 33}, {2, 63, 1}, {3, 60, 40}, {4, 297, 3}};

class WeightsOnHost : public testing::EveryDevice {
 protected:
  // For each row of [first, first + count) of the call and each head: f(row - first, run, position, head).
  template <class F>
  static void each(const AttentionProblem& problem, std::int64_t first, std::int64_t count, const F& f) {
    std::int64_t row = 0;
    for (const AttentionRun& run : kHookedRuns) {
      for (std::int64_t i = 0; i < run.rows; ++i, ++row) {
        if (row < first || row >= first + count) continue;
        for (std::int64_t h = 0; h < problem.shape.heads; ++h) f(row - first, run, run.first + i, h);
      }
    }
  }
  void check_scores(const AttentionProblem& problem, std::int64_t first, std::int64_t count);
  void check_weigh(const AttentionProblem& problem, std::int64_t first, std::int64_t count);
  static constexpr std::int64_t kStride = 304;
};

// Of a key and value, in the order of the cache's writer.
const float* key_of(const AttentionProblem& problem, const std::vector<float>& all, std::int64_t j,
                    std::int64_t h) {
  const std::int64_t group = problem.shape.heads / problem.shape.kv_heads;
  return &all[static_cast<std::size_t>((j * problem.shape.kv_heads + h / group) * problem.shape.head_dim)];
}

void WeightsOnHost::check_scores(const AttentionProblem& problem, std::int64_t first, std::int64_t count) {
  const AttentionShape& shape = problem.shape;
  AttentionCall call(device(), problem, kHookedRuns);
  call.attention.tiles = nullptr;
  call.attention.singles = nullptr;
  call.attention.tile_count = call.attention.single_count = 0;
  const OnDevice<float> result(device(),
                               std::vector<float>(count * shape.heads * kStride, testing::kNotANumber));
  device().scores(call.attention, first, count, result.data(), kStride);
  const std::vector<float> scores = result.download();
  each(problem, first, count,
       [&](std::int64_t r, const AttentionRun& run, std::int64_t position, std::int64_t h) {
         const AttentionProblem::Text& text = problem.texts[run.sequence];
         const float* q = &text.q[(position * shape.heads + h) * shape.head_dim];
         for (std::int64_t j = shape.first_key(position); j <= position && !HasFailure(); ++j) {
           const float* k = key_of(problem, text.k, j, h);
           double dot = 0, size = 0;
           for (std::int64_t d = 0; d < shape.head_dim; ++d) {
             dot += static_cast<double>(q[d]) * k[d];
             size += std::abs(static_cast<double>(q[d]) * k[d]);
           }
           double score = dot * shape.scale;
           if (shape.softcap > 0) score = shape.softcap * std::tanh(score / shape.softcap);
           const double tolerance =
               kRoundoff * (8 + std::sqrt(static_cast<double>(shape.head_dim))) * size * shape.scale +
               8 * kRoundoff * shape.softcap;
           ASSERT_NEAR(scores[(r * shape.heads + h) * kStride + j], score, tolerance)
               << name_of(problem.type) << " row " << first + r << ", head " << h << ", key " << j;
         }
       });
}

void WeightsOnHost::check_weigh(const AttentionProblem& problem, std::int64_t first, std::int64_t count) {
  const AttentionShape& shape = problem.shape;
  std::vector<float> weights(count * shape.heads * kStride, testing::kNotANumber);
  const std::vector<float> inverse_sums = testing::random_normals(count * shape.heads, 3);
  SplitMix64 random(4);
  each(problem, first, count,
       [&](std::int64_t r, const AttentionRun&, std::int64_t position, std::int64_t h) {
         for (std::int64_t j = 0; j <= position; ++j) {
           weights[(r * shape.heads + h) * kStride + j] =
               j < shape.first_key(position) ? 0 : static_cast<float>(random.uniform() * 3 - 1);
         }
       });
  AttentionCall call(device(), problem, kHookedRuns);
  const OnDevice<float> w(device(), weights), sums(device(), inverse_sums);
  device().weigh(call.attention, first, count, w.data(), kStride, sums.data());
  const std::vector<float> out = call.out();
  for (std::int64_t i = 0; i < std::ssize(out); ++i) {  // no other row is written
    const std::int64_t row = i / problem.width();
    ASSERT_EQ(std::isnan(out[i]), row < first || row >= first + count) << "row " << row;
  }
  each(problem, first, count,
       [&](std::int64_t r, const AttentionRun& run, std::int64_t position, std::int64_t h) {
         for (std::int64_t d = 0; d < shape.head_dim && !HasFailure(); ++d) {
           double sum = 0, size = 0;
           for (std::int64_t j = shape.first_key(position); j <= position; ++j) {
             const double term = static_cast<double>(weights[(r * shape.heads + h) * kStride + j]) *
                                 key_of(problem, problem.texts[run.sequence].v, j, h)[d] *
                                 inverse_sums[r * shape.heads + h];
             sum += term;
             size += std::abs(term);
           }
           ASSERT_NEAR(out[(first + r) * problem.width() + h * shape.head_dim + d], sum,
                       kRoundoff * (8 + std::sqrt(static_cast<double>(position))) * size)
               << name_of(problem.type) << " row " << first + r << ", head " << h << ", element " << d;
         }
       });
}

TEST_P(WeightsOnHost, ScoresAndSumsOfValues) {
  for (const DType type : {DType::kF16, DType::kF32}) {
    for (const std::int64_t head_dim : {16, 20, 64, 80, 128, 256}) {
      const AttentionProblem problem(testing::attention_shape(4, 2, head_dim), type, kHookedKeys, 1);
      check_scores(problem, 0, 78);
      check_weigh(problem, 0, 78);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(WeightsOnHost, OfSomeRows) {
  AttentionProblem problem(testing::attention_shape(6, 2, 64), DType::kF16, kHookedKeys, 2);
  problem.q_gap = 32;
  problem.out_gap = 16;
  for (const auto& [first, count] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 1}, {30, 20}, {75, 3}}) {
    check_scores(problem, first, count);
    check_weigh(problem, first, count);
  }
}

TEST_P(WeightsOnHost, OfWindowsAndCaps) {
  for (const std::int64_t window : {1, 20, 64}) {
    AttentionShape shape = testing::attention_shape(4, 2, 64);
    shape.window = window;
    shape.softcap = 3;
    const AttentionProblem problem(shape, DType::kF16, kHookedKeys, 5);
    check_scores(problem, 0, 78);
    check_weigh(problem, 0, 78);
  }
}

REFOCUS_EVERY_DEVICE(WeightsOnHost);

}  // namespace
}  // namespace refocus
