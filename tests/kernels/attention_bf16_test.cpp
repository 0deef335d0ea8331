// Attention whose products take operands in bf16.
#include <cmath>
#include <cstring>

#include "kernels/attention_problem.h"
#include "kernels/targets.h"

namespace refocus {
namespace {

using testing::AttentionProblem;
using testing::Meddler;

class AttentionInBf16 : public testing::EveryTarget {};

// Where float32 rounds a weight to another bf16 number than double does, a row moves by up to 2^-8 of that
// weight's part; that is rare, so that the mean tells whether operands are rounded as they should be.
void expect_rounded(const std::vector<float>& actual, const std::vector<float>& expected, const char* what) {
  ASSERT_EQ(actual.size(), expected.size());
  double sum = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], 8e-3f) << what << " at " << i;
    sum += std::fabs(actual[i] - expected[i]);
  }
  EXPECT_LT(sum, 2e-5 * static_cast<double>(actual.size())) << what;
}

TEST_P(AttentionInBf16, EqualsThePlainTwin) {
  ThreadPool pool(2);
  const std::int64_t shapes[][3] = {{1, 1, 1},  {4, 4, 12},  {6, 2, 16}, {8, 1, 33},
                                    {2, 2, 64}, {3, 3, 128}, {2, 1, 80}};
  for (const auto& [heads, kv_heads, head_dim] : shapes) {
    for (const std::int64_t keys : {1, 5, 31, 32, 33, 64, 100, 200}) {
      for (const DType type : {keys % 2 == 0 ? DType::kF16 : DType::kF32, DType::kQ8_0}) {
        AttentionProblem p(heads, kv_heads, head_dim, keys, static_cast<unsigned>(keys + head_dim), type);
        p.shape.bf16 = true;
        Meddler meddler;
        expect_rounded(p.run(0, keys, {}, &pool), p.run(0, keys, {}, nullptr), "plain");
        expect_rounded(p.run(0, keys, meddler.hooks(), &pool), p.run(0, keys, meddler.hooks(), nullptr),
                       "hooks");
        p.shape.window = 40;
        expect_rounded(p.run(0, keys, {}, &pool), p.run(0, keys, {}, nullptr), "window");
      }
    }
  }
}

TEST_P(AttentionInBf16, DoesNotDependOnCallsOrThreads) {
  ThreadPool one(1), two(2), three(3);
  for (const std::int64_t window : {0, 50}) {
    for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
      AttentionProblem p(6, 2, 72, 150, 7, type);
      p.shape.bf16 = true;
      p.shape.window = window;
      Meddler meddler;
      const std::vector<float> whole = p.run(0, 150, meddler.hooks(), &two);
      for (const std::int64_t chunk : {1, 7, 32, 64, 149}) {
        for (std::int64_t first = 0; first < 150; first += chunk) {
          const std::int64_t last = std::min<std::int64_t>(150, first + chunk);
          const std::vector<float> part = p.run(first, last, meddler.hooks(), &one);
          ASSERT_EQ(std::memcmp(part.data(), whole.data() + first * p.width(), part.size() * sizeof(float)),
                    0)
              << "rows " << first << ".." << last << " window " << window;
        }
      }
    }
  }
  // Few rows of many keys are cut among threads.
  AttentionProblem p(4, 2, 40, 700, 3);
  p.shape.bf16 = true;
  const std::vector<float> whole = p.run(0, 700, {}, &two);
  for (ThreadPool* pool : {&one, &two, &three}) {
    const std::vector<float> last = p.run(699, 700, {}, pool);
    ASSERT_EQ(std::memcmp(last.data(), whole.data() + 699 * p.width(), last.size() * sizeof(float)), 0);
  }
}

// What hooks see is not rounded.
TEST_P(AttentionInBf16, HooksSeeWeightsInFloat32) {
  ThreadPool pool(1);
  AttentionProblem p(2, 1, 64, 70, 5);
  p.shape.bf16 = true;
  struct Counter {
    int rounded = 0, all = 0;
  } counter;
  AttentionHooks hooks;
  hooks.observer = &counter;
  hooks.observe = [](void* context, const SoftmaxRow& row, const SoftmaxRow&) {
    for (const float w : row.weights) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &w, 4);
      static_cast<Counter*>(context)->all++;
      static_cast<Counter*>(context)->rounded += (bits & 0xFFFF) == 0;
    }
  };
  EXPECT_EQ(p.run(0, 70, hooks, &pool), p.run(0, 70, {}, &pool));
  EXPECT_EQ(counter.all, 70 * 71);
  EXPECT_LT(counter.rounded, counter.all / 10);  // the largest of a row is 1
}

REFOCUS_EVERY_TARGET_AND_AMX(AttentionInBf16);

}  // namespace
}  // namespace refocus
