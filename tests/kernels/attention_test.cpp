#include "kernels/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/aligned_buffer.h"
#include "kernels/attention_problem.h"
#include "kernels/matmul.h"
#include "kernels/targets.h"
#include "tensor/half.h"

namespace refocus {
namespace {

class Attention : public testing::EveryTarget {};

using testing::AttentionProblem;
using testing::Meddler;

void expect_near(const std::vector<float>& actual, const std::vector<float>& expected, const char* what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_NEAR(actual[i], expected[i], 1e-5f) << what << " at " << i;
}

TEST_P(Attention, EqualsThePlainTwin) {
  ThreadPool pool(2);
  const std::int64_t shapes[][3] = {{1, 1, 1}, {4, 4, 12}, {6, 2, 16}, {8, 1, 33}, {2, 2, 64}, {3, 3, 128}};
  for (const auto& [heads, kv_heads, head_dim] : shapes) {
    for (const std::int64_t keys : {1, 5, 31, 32, 33, 64, 100, 200}) {
      for (const DType type : {keys % 2 == 0 ? DType::kF16 : DType::kF32, DType::kQ8_0}) {
        const AttentionProblem p(heads, kv_heads, head_dim, keys, static_cast<unsigned>(keys + head_dim),
                                 type);
        Meddler meddler;
        expect_near(p.run(0, keys, {}, &pool), p.run(0, keys, {}, nullptr), "plain");
        expect_near(p.run(0, keys, meddler.hooks(), &pool), p.run(0, keys, meddler.hooks(), nullptr),
                    "hooks");
      }
    }
  }
}

TEST_P(Attention, DoesNotDependOnCallsOrThreads) {
  ThreadPool one(1), two(2);
  const AttentionProblem p(6, 2, 20, 150, 7);
  Meddler meddler;
  const std::vector<float> whole = p.run(0, 150, meddler.hooks(), &two);
  for (const std::int64_t chunk : {1, 7, 32, 64, 149}) {
    for (std::int64_t first = 0; first < 150; first += chunk) {
      const std::int64_t last = std::min<std::int64_t>(150, first + chunk);
      const std::vector<float> part = p.run(first, last, meddler.hooks(), &one);
      ASSERT_EQ(std::memcmp(part.data(), whole.data() + first * p.width(), part.size() * sizeof(float)), 0)
          << "rows " << first << ".." << last;
    }
  }
}

// Keeps what an observer is shown: the row as softmax left it, and by how much the sum was changed.
struct Witness {
  std::vector<float> weights;  // [rows, heads, keys], normalised
  std::vector<float> scales;   // [rows, heads]
  std::int64_t heads, keys;
  Witness(std::int64_t rows, std::int64_t h, std::int64_t k)
      : weights(static_cast<std::size_t>(rows * h * k)),
        scales(static_cast<std::size_t>(rows * h)),
        heads(h),
        keys(k) {}
  AttentionHooks beside(AttentionHooks hooks) {
    hooks.observer = this;
    hooks.observe = [](void* observer, const SoftmaxRow& row, const SoftmaxRow& after) {
      auto& self = *static_cast<Witness*>(observer);
      const std::int64_t at = row.at.row * self.heads + row.at.head;
      for (std::size_t j = 0; j < row.weights.size(); ++j) {
        self.weights[static_cast<std::size_t>(at * self.keys) + j] = row.weights[j] / row.sum;
      }
      self.scales[static_cast<std::size_t>(at)] = &after == &row ? 1 : row.sum / after.sum;
    };
    return hooks;
  }
};

TEST_P(Attention, AnObserverSeesTheRowBeforeAndAfterTheEditAndChangesNothing) {
  ThreadPool pool(2);
  const AttentionProblem p(6, 2, 20, 70, 9);
  Meddler meddler;
  for (const AttentionHooks& hooks : {AttentionHooks{}, meddler.hooks()}) {
    Witness fast(70, 6, 70), plain(70, 6, 70);
    EXPECT_EQ(p.run(0, 70, fast.beside(hooks), &pool), p.run(0, 70, hooks, &pool));
    EXPECT_EQ(p.run(0, 70, plain.beside(hooks), nullptr), p.run(0, 70, hooks, nullptr));
    expect_near(fast.weights, plain.weights, "observed");
    expect_near(fast.scales, std::vector<float>(70 * 6, hooks.edit != nullptr ? 0.75f : 1.0f), "scales");
    double last = 0;  // the row sums to 1 although the editing hook scales it
    for (std::size_t j = fast.weights.size() - 70; j < fast.weights.size(); ++j) last += fast.weights[j];
    EXPECT_NEAR(last, 1, 1e-6);
  }
}

// Once for each row and head, with all that the head puts out, also where it sees nothing.
TEST_P(Attention, AHookOnOutputsSeesAndChangesEachHeadOnce) {
  ThreadPool pool(2);
  const AttentionProblem p(6, 2, 20, 70, 11);
  struct Replacer {
    std::vector<float> seen;  // [rows, heads, head_dim]
    std::vector<int> calls;   // [rows, heads]
    AttentionHooks hooks() {
      AttentionHooks h;
      h.context = this;
      h.bias = [](void*, const AttentionRow& at, std::int64_t, std::span<float> scores) {
        if (at.row == 40) std::ranges::fill(scores, -std::numeric_limits<float>::infinity());
      };
      h.output = [](void* context, const AttentionRow& at, std::span<float> out) {
        auto& self = *static_cast<Replacer*>(context);
        const auto place = static_cast<std::size_t>(at.row * 6 + at.head);
        ++self.calls[place];
        std::ranges::copy(out, self.seen.begin() + static_cast<std::ptrdiff_t>(place * 20));
        if (at.head == 3) std::ranges::fill(out, static_cast<float>(at.position));
      };
      return h;
    }
  };
  for (ThreadPool* threads : {&pool, static_cast<ThreadPool*>(nullptr)}) {
    Replacer replacer{std::vector<float>(70 * 6 * 20), std::vector<int>(70 * 6)};
    AttentionHooks hooks = replacer.hooks();
    std::vector<float> changed = p.run(0, 70, hooks, threads);
    EXPECT_EQ(replacer.calls, std::vector<int>(70 * 6, 1));
    hooks.output = nullptr;
    std::vector<float> expected = p.run(0, 70, hooks, threads);
    EXPECT_EQ(replacer.seen, expected);
    for (int row = 0; row < 70; ++row) {
      std::fill_n(expected.begin() + row * p.width() + 3 * 20, 20, static_cast<float>(row));
    }
    EXPECT_EQ(changed, expected);
    // The last rows alone are counted by hooks as if the others were there.
    Replacer of_last{std::vector<float>(70 * 6 * 20), std::vector<int>(70 * 6)};
    const std::vector<float> last = p.run(30, 70, of_last.hooks(), threads, 30);
    EXPECT_EQ(last, std::vector<float>(changed.begin() + 30 * p.width(), changed.end()));
    EXPECT_EQ(std::ranges::count(of_last.calls, 0), 30 * 6);
    EXPECT_EQ(of_last.calls.back(), 1);
  }
}

TEST_P(Attention, HalfPrecisionCachesRoundKeysAndValues) {
  const float key[] = {1.0f, 1 + 0x1p-11f, 70000.0f}, value[] = {-2.5f, 0x1p-25f, 65504.0f};
  std::vector<std::byte> block(static_cast<std::size_t>(kv_block_elements(3)) * 2);
  store_key_and_value(DType::kF16, block.data(), 3, 7, key, value);
  const auto element = [&](std::int64_t index) {
    std::uint16_t bits;
    std::memcpy(&bits, block.data() + 2 * index, 2);
    return f16_to_f32(bits);
  };
  EXPECT_EQ(element(7), 1.0f);
  EXPECT_EQ(element(kKeyBlock + 7), 1.0f);  // a tie, to even
  EXPECT_EQ(element(2 * kKeyBlock + 7), std::numeric_limits<float>::infinity());
  const std::int64_t values = 3 * kKeyBlock + 7 * padded(3);
  EXPECT_EQ(element(values), -2.5f);
  EXPECT_EQ(element(values + 1), 0.0f);  // half the smallest number
  EXPECT_EQ(element(values + 2), 65504.0f);
}

// Few rows of many keys are done in parts by all threads.
TEST_P(Attention, PartsOfATileChangeNoBit) {
  ThreadPool one(1), two(2), three(3);
  for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
    for (const auto& [heads, kv_heads, head_dim, window] :
         {std::array{6, 1, 64, 0}, {3, 3, 33, 0}, {8, 1, 128, 300}, {1, 1, 7, 0}}) {
      AttentionProblem p(heads, kv_heads, head_dim, 700, 5, type);
      p.shape.window = window;
      for (const std::int64_t rows : {1, 2, 4}) {
        Meddler meddler;
        AttentionHooks hooks = meddler.hooks();
        hooks.output = nullptr;  // with which there are no parts
        for (const AttentionHooks& h : {AttentionHooks{}, hooks}) {
          const std::vector<float> whole = p.run(700 - rows, 700, h, &one);
          EXPECT_EQ(p.run(700 - rows, 700, h, &two), whole) << heads << " heads, rows " << rows;
          EXPECT_EQ(p.run(700 - rows, 700, h, &three), whole) << heads << " heads, rows " << rows;
        }
        expect_near(p.run(700 - rows, 700, hooks, &three), p.run(700 - rows, 700, hooks, nullptr), "plain");
      }
    }
  }
}

// What a cache of Q8_0 holds of x, as floats.
std::vector<float> through_q8(const std::vector<float>& x) {
  std::vector<float> out(x.size());
  for (std::size_t first = 0; first < x.size(); first += kKvScaleBlock) {
    const std::size_t end = std::min(x.size(), first + kKvScaleBlock);
    float largest = 0;
    for (std::size_t i = first; i < end; ++i) largest = std::max(largest, std::abs(x[i]));
    const float scale = largest / 127, inverse = scale > 0 ? 1 / scale : 0.0f;
    for (std::size_t i = first; i < end; ++i) out[i] = std::nearbyint(x[i] * inverse) * scale;
  }
  return out;
}

TEST_P(Attention, QuantizedCachesGiveTheBitsOfRoundedOnes) {
  ThreadPool pool(2);
  for (const std::int64_t head_dim : {5, 32, 80}) {
    const std::int64_t keys = 70;
    AttentionProblem quantized(4, 2, head_dim, keys, 3, DType::kQ8_0),
        rounded(4, 2, head_dim, keys, 3, DType::kF32);
    const std::vector<float> values =
        testing::random_floats(static_cast<std::size_t>(keys * 2 * head_dim * 2), 3);
    const float* next = values.data();
    for (std::int64_t j = 0; j < keys; ++j) {
      for (std::int64_t g = 0; g < 2; ++g, next += 2 * head_dim) {
        const std::vector<float> key = through_q8({next, next + head_dim}),
                                 value = through_q8({next + head_dim, next + 2 * head_dim});
        std::byte* head = rounded.storage[static_cast<std::size_t>(j / kKeyBlock)].data() +
                          g * kv_block_bytes(DType::kF32, head_dim);
        store_key_and_value(DType::kF32, head, head_dim, j % kKeyBlock, key.data(), value.data());
      }
    }
    ASSERT_EQ(quantized.run(0, keys, {}, &pool), rounded.run(0, keys, {}, &pool)) << head_dim;
  }
}

TEST_P(Attention, QuantizedCachesKeepWhatIsNoNumber) {
  for (const float wrong : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    std::vector<float> key(40, 1.0f), value(40, 0.0f);
    key[33] = wrong;
    std::vector<std::byte> block(static_cast<std::size_t>(kv_block_bytes(DType::kQ8_0, 40)));
    store_key_and_value(DType::kQ8_0, block.data(), 40, 3, key.data(), value.data());
    const auto scale = [&](std::int64_t of) {
      float out;
      std::memcpy(&out, block.data() + kv_block_elements(40) + 4 * (of * kKeyBlock + 3), 4);
      return out;
    };
    EXPECT_EQ(scale(0), 1.0f / 127);
    EXPECT_TRUE(std::isnan(scale(1)));
    EXPECT_EQ(scale(2), 0.0f);
  }
}

TEST_P(Attention, SeveralSequencesAreEachByThemselves) {
  ThreadPool pool(2);
  const AttentionProblem a(4, 2, 16, 70, 1), b(4, 2, 16, 33, 2);
  std::vector<float> q(a.q);
  q.insert(q.end(), b.q.end() - b.width(), b.q.end());
  std::vector<float> out(static_cast<std::size_t>(71 * a.width()));
  const AttentionSequence sequences[] = {{0, 70, 0, a.blocks.data(), 0, {}},
                                         {70, 1, 32, b.blocks.data(), 0, {}}};
  AttentionBuffers buffers{q.data(),  a.width(), out.data(),
                           a.width(), nullptr,   attention_scratch_floats(70, 16)};
  AlignedBuffer<float> scratch(static_cast<std::size_t>(buffers.scratch_stride * pool.size()));
  buffers.scratch = scratch.data();
  attention(pool, a.shape, sequences, buffers);
  std::vector<float> expected = a.run(0, 70, {}, &pool);
  const std::vector<float> last = b.run(32, 33, {}, &pool);
  expected.insert(expected.end(), last.begin(), last.end());
  EXPECT_EQ(out, expected);
}

TEST_P(Attention, NaNScoresAreNotHidden) {
  ThreadPool pool(1);
  AttentionProblem p(2, 2, 16, 40, 3);
  std::vector<float> key(16, 1.0f), value(16, 1.0f);
  key[5] = std::nanf("");
  store_key_and_value(p.type, p.storage[0].data(), 16, 3, key.data(), value.data());  // key 3 of head 0
  const std::vector<float> out = p.run(39, 40, {}, &pool);
  EXPECT_TRUE(std::isnan(out[0]));
  EXPECT_FALSE(std::isnan(out[16]));
}

TEST_P(Attention, LargeScoresDoNotOverflow) {
  ThreadPool pool(1);
  AttentionProblem p(1, 1, 16, 64, 4);
  for (float& v : p.q) v *= 1000;
  expect_near(p.run(0, 64, {}, &pool), p.run(0, 64, {}, nullptr), "large");
}

REFOCUS_EVERY_TARGET(Attention);

}  // namespace
}  // namespace refocus
