// The fast kernels of training against their plain twins, for every instruction set.
#include <cmath>
#include <cstring>

#include "kernels/activation.h"
#include "kernels/adamw.h"
#include "kernels/causal_attention.h"
#include "kernels/cross_entropy.h"
#include "kernels/gemm.h"
#include "kernels/reference/gradients.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "kernels/targets.h"

namespace refocus {
namespace {

using Floats = std::vector<float>;
using testing::random_floats;

class Training : public testing::EveryTarget {};

void expect_near(const Floats& actual, const Floats& expected, float tolerance, const char* what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], tolerance * (1 + std::fabs(expected[i]))) << what << " at " << i;
  }
}

// One of the forms NT, NN, TN, TT of sizes m, n, k, with gaps between rows.
struct Product {
  std::int64_t m, n, k;
  bool a_transposed, b_transposed;
  std::int64_t lda = (a_transposed ? m : k) + 3, ldb = (b_transposed ? k : n) + 5, ldc = n + 1;
  Floats a = random_floats(static_cast<std::size_t>((a_transposed ? k : m) * lda), 1);
  Floats b = random_floats(static_cast<std::size_t>((b_transposed ? n : k) * ldb), 2);

  Floats fast(ThreadPool& pool, bool accumulate) const {
    Floats c = random_floats(static_cast<std::size_t>(m * ldc), 3);
    GemmScratch scratch;
    const GemmOperand x{a.data(), a_transposed ? 1 : lda, a_transposed ? lda : 1};
    const GemmOperand y{b.data(), b_transposed ? 1 : ldb, b_transposed ? ldb : 1};
    gemm(pool, {m, n, k}, x, y, {c.data(), ldc, accumulate}, scratch);
    return c;
  }
  Floats plain(bool accumulate) const {
    Floats c = random_floats(static_cast<std::size_t>(m * ldc), 3);
    reference::gemm<float>(m, n, k, {a.data(), a_transposed ? 1 : lda, a_transposed ? lda : 1},
                           {b.data(), b_transposed ? 1 : ldb, b_transposed ? ldb : 1}, {c.data(), ldc},
                           accumulate);
    return c;
  }
};

TEST_P(Training, GemmEqualsThePlainTwinInEveryForm) {
  ThreadPool pool(2);
  const std::int64_t shapes[][3] = {{1, 1, 1},     {3, 2, 5},      {12, 32, 8},    {13, 33, 17},
                                    {25, 70, 300}, {47, 31, 64},   {100, 9, 40},   {64, 600, 20},
                                    {5, 40, 1000}, {200, 96, 257}, {20, 2100, 600}};
  for (const auto& [m, n, k] : shapes) {
    for (const int form : {0, 1, 2, 3}) {
      const Product p{m, n, k, form >= 2, form % 2 == 1};
      const float tolerance = 4e-7f * std::sqrt(static_cast<float>(k)) * 4;
      for (const bool accumulate : {false, true}) {
        expect_near(p.fast(pool, accumulate), p.plain(accumulate), tolerance, "gemm");
      }
    }
  }
}

TEST_P(Training, GemmDoesNotDependOnThreads) {
  ThreadPool one(1), three(3);
  for (const int form : {0, 1, 2}) {
    const Product p{301, 130, 700, form == 2, form == 1};
    EXPECT_EQ(p.fast(one, true), p.fast(three, true));
  }
}

// C as kernels/gemm.h says it is summed: blocks of k one after the other, each from nothing.
Floats in_order_of_blocks(const GemmShape& s, const GemmOperand& a, const GemmOperand& b, Floats c,
                          bool accumulate, bool fused) {
  for (std::int64_t i = 0; i < s.m; ++i) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      float& to = c[static_cast<std::size_t>(i * s.n + j)];
      for (std::int64_t first = 0; first < s.k; first += kGemmDepth) {
        float sum = 0;
        for (std::int64_t p = first; p < std::min(s.k, first + kGemmDepth); ++p) {
          const float x = a.data[i * a.row_stride + p * a.column_stride];
          const float y = b.data[p * b.row_stride + j * b.column_stride];
          sum = fused ? std::fma(x, y, sum) : sum + x * y;
        }
        to = first > 0 || accumulate ? sum + to : sum;
      }
    }
  }
  return c;
}

// Rows of A that are 4 KB apart, so many columns that B is packed in parts, and shares of both.
TEST_P(Training, GemmSumsBlocksOfKInOrder) {
  if (GetParam() == testing::kAmxTarget) GTEST_SKIP() << "AMX sums in an order of its own";
  ThreadPool one(1), three(3);
  struct Case {
    GemmShape shape;
    std::int64_t lda;
    bool a_transposed;
  };
  for (const Case& c : {Case{{25, 300, 600}, 1024, false}, Case{{50, 2100, 520}, 523, false},
                        Case{{50, 70, 300}, 2048, false}, Case{{61, 2100, 600}, 1024, true}}) {
    const GemmShape& s = c.shape;
    const Floats a = random_floats(static_cast<std::size_t>((c.a_transposed ? s.k : s.m) * c.lda), 1);
    const Floats b = random_floats(static_cast<std::size_t>(s.k * s.n), 2);
    const Floats before = random_floats(static_cast<std::size_t>(s.m * s.n), 3);
    const GemmOperand x{a.data(), c.a_transposed ? 1 : c.lda, c.a_transposed ? c.lda : 1},
        y{b.data(), s.n, 1};
    for (const bool accumulate : {false, true}) {
      const Floats expected = in_order_of_blocks(s, x, y, before, accumulate, GetParam() != HWY_SSSE3);
      for (ThreadPool* pool : {&one, &three}) {
        Floats actual = before;
        GemmScratch scratch;
        gemm(*pool, s, x, y, {actual.data(), s.n, accumulate}, scratch);
        EXPECT_EQ(actual, expected) << s.m << " x " << s.n << " x " << s.k;
      }
    }
  }
}

TEST_P(Training, GemmReadsOperandsWithoutUnitStride) {
  ThreadPool pool(1);
  const Floats a = random_floats(2 * 30 * 300, 1), b = random_floats(300 * 40, 2);
  Floats fast(30 * 40), plain(30 * 40);
  GemmScratch scratch;
  gemm(pool, {30, 40, 300}, {a.data(), 600, 2}, {b.data(), 40, 1}, {fast.data(), 40, false}, scratch);
  reference::gemm<float>(30, 40, 300, {a.data(), 600, 2}, {b.data(), 40}, {plain.data(), 40}, false);
  expect_near(fast, plain, 3e-5f, "strided");
}

TEST_P(Training, ElementwiseGradientsEqualThePlainTwins) {
  for (std::size_t n = 1; n < 70; ++n) {
    const auto size = static_cast<std::int64_t>(n);
    const Floats x = random_floats(n, 1, 3), w = random_floats(n, 2), dy = random_floats(n, 3);
    Floats dx(n, 2), dx_plain(n), dw = random_floats(n, 4), dw_plain = dw;
    rms_norm_backward({x.data(), w.data(), dy.data(), dx.data(), dw.data(), true}, size, 1e-5f);
    reference::rms_norm_backward(x.data(), w.data(), dy.data(), size, 1e-5f, dx_plain.data(),
                                 dw_plain.data());
    Floats in_place = dy, unused(n);
    rms_norm_backward({x.data(), w.data(), in_place.data(), in_place.data(), unused.data()}, size, 1e-5f);
    expect_near(in_place, dx_plain, 2e-6f, "rms_norm dx in the place of dy");
    for (float& v : dx_plain) v += 2;
    expect_near(dx, dx_plain, 2e-6f, "rms_norm dx");
    expect_near(dw, dw_plain, 2e-6f, "rms_norm dweight");

    Floats gate = x, up = w, d_gate(n), d_up(n);
    reference::swiglu_backward(gate.data(), up.data(), dy.data(), size, d_gate.data(), d_up.data());
    swiglu_backward(gate.data(), up.data(), dy.data(), size);
    expect_near(gate, d_gate, 2e-6f, "swiglu dgate");
    expect_near(up, d_up, 2e-6f, "swiglu dup");

    Floats gelu_gate = x, gelu_up = w;
    reference::gelu_tanh_backward(x.data(), w.data(), dy.data(), size, d_gate.data(), d_up.data());
    gelu_tanh_backward(gelu_gate.data(), gelu_up.data(), dy.data(), size);
    expect_near(gelu_gate, d_gate, 3e-6f, "gelu_tanh dgate");
    expect_near(gelu_up, d_up, 2e-6f, "gelu_tanh dup");

    Floats capped(n), d_capped = dy, d_plain(n);
    reference::softcap_forward(x.data(), 2.5, size, capped.data());
    reference::softcap_backward(capped.data(), 2.5, dy.data(), size, d_plain.data());
    softcap_backward(capped.data(), 2.5f, d_capped.data(), size);
    expect_near(d_capped, d_plain, 1e-6f, "softcap");

    Floats logits = x, gradient(n);
    const std::int64_t target = size * 2 / 3;
    const double plain = reference::cross_entropy(x.data(), size, target, 0.3, gradient.data());
    EXPECT_NEAR(cross_entropy(x.data(), size, target, 0, nullptr), plain, 1e-5);
    EXPECT_NEAR(cross_entropy(logits.data(), size, target, 0.3f, logits.data()), plain, 1e-5);
    expect_near(logits, gradient, 1e-6f, "logits");
  }
}

TEST_P(Training, RopeBackwardEqualsThePlainTwin) {
  for (std::int64_t head_dim = 2; head_dim < 80; head_dim += 2) {
    const auto size = static_cast<std::size_t>(3 * head_dim), half = static_cast<std::size_t>(head_dim / 2);
    Floats actual = random_floats(size, 1), expected = actual, c(half), s(half);
    const Floats angle = random_floats(half, 2, 10);
    for (std::size_t i = 0; i < half; ++i) c[i] = std::cos(angle[i]), s[i] = std::sin(angle[i]);
    reference::rope_backward(expected.data(), 3, head_dim, c.data(), s.data());
    rope_backward(actual.data(), 3, head_dim, c.data(), s.data());
    expect_near(actual, expected, 1e-6f, "rope");
  }
}

TEST_P(Training, AdamWEqualsThePlainTwin) {
  for (std::size_t n = 1; n < 40; ++n) {
    const auto size = static_cast<std::int64_t>(n);
    Floats w = random_floats(n, 1), m = random_floats(n, 2), v = random_floats(n, 3), g = random_floats(n, 4);
    for (float& x : v) x *= x;
    Floats w2 = w, m2 = m, v2 = v, half = g;
    for (float& x : half) x *= 0.5f;
    reference::adamw(size, half.data(), 1e-2, 0.9, 0.95, 1e-8, 0.1, 3, w2.data(), m2.data(), v2.data());
    AdamWStep step{1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.5f, 1 - 0.9f * 0.9f * 0.9f, 1 - 0.95f * 0.95f * 0.95f};
    adamw(step, size, g.data(), w.data(), m.data(), v.data());
    expect_near(w, w2, 1e-6f, "weight");
    expect_near(m, m2, 1e-6f, "m");
    expect_near(v, v2, 1e-6f, "v");
    double squares = 0;
    for (const float x : g) squares += static_cast<double>(x) * x;
    EXPECT_NEAR(sum_of_squares(g.data(), size), squares, 1e-12 * (1 + squares));
  }
}

struct AttentionCase {
  AttentionShape shape;
  std::vector<RowSpan> sequences;
  std::size_t rows, q_width, kv_width;
  Floats q, k, v, d_out;
  struct Result {
    Floats out, lse, dq, dk, dv;
    bool operator==(const Result&) const = default;
  };

  AttentionCase(AttentionShape s, const std::vector<std::int64_t>& lengths) : shape(s) {
    std::int64_t first = 0;
    for (const std::int64_t n : lengths) sequences.push_back({first, n}), first += n;
    rows = static_cast<std::size_t>(first);
    q_width = static_cast<std::size_t>(s.heads * s.head_dim);
    kv_width = static_cast<std::size_t>(s.kv_heads * s.head_dim);
    q = random_floats(rows * q_width, 1), k = random_floats(rows * kv_width, 2);
    v = random_floats(rows * kv_width, 3), d_out = random_floats(rows * q_width, 4);
  }
  Result empty() const {
    const auto heads = static_cast<std::size_t>(shape.heads);
    return {Floats(rows * q_width), Floats(rows * heads), Floats(rows * q_width), Floats(rows * kv_width),
            Floats(rows * kv_width)};
  }
  Result fast(int threads) const {
    ThreadPool pool(threads);
    Result r = empty();
    for (Floats* f : {&r.dq, &r.dk, &r.dv}) std::fill(f->begin(), f->end(), 7.0f);
    const auto q_stride = static_cast<std::int64_t>(q_width), kv_stride = static_cast<std::int64_t>(kv_width);
    const CausalInput in{q.data(), k.data(), v.data(), q_stride, kv_stride};
    const CausalOutput out{r.out.data(), r.lse.data(), q_stride};
    CausalScratch scratch;
    causal_attention(pool, shape, sequences, in, out, scratch);
    causal_attention_backward(pool, shape, sequences, in, out,
                              {d_out.data(), r.dq.data(), r.dk.data(), r.dv.data()}, scratch);
    return r;
  }
  Result plain() const {
    Result r = empty();
    const reference::CausalArrays<float> arrays{q.data(),
                                                k.data(),
                                                v.data(),
                                                r.out.data(),
                                                r.lse.data(),
                                                d_out.data(),
                                                r.dq.data(),
                                                r.dk.data(),
                                                r.dv.data(),
                                                static_cast<std::int64_t>(q_width),
                                                static_cast<std::int64_t>(kv_width)};
    reference::causal_attention_forward(shape, sequences, arrays);
    reference::causal_attention_backward(shape, sequences, arrays);
    return r;
  }
};

TEST_P(Training, CausalAttentionEqualsThePlainTwin) {
  // Windows: one key, less than a block of queries, across blocks of keys, longer than any sequence; a head
  // of more than one block of the product.
  const AttentionShape shapes[] = {
      {1, 1, 2, 0.7f},          {4, 4, 12, 0.3f},         {6, 2, 16, 0.25f},
      {2, 1, 64, 0.125f},       {2, 1, 12, 0.3f, 0, 1},   {4, 2, 16, 0.25f, 0, 7},
      {2, 2, 16, 0.25f, 0, 70}, {1, 1, 16, 0.25f, 0, 99}, {2, 1, 16, 0.25f, 0, 2000},
      {4, 2, 16, 1, 1.5f},      {2, 1, 16, 1, 2.5f, 50},  {1, 1, 260, 0.06f, 0, 20}};
  for (const AttentionShape& shape : shapes) {
    const AttentionCase c(shape, {1, 5, 48, 130, 49, 400});
    const AttentionCase::Result fast = c.fast(2), plain = c.plain();
    expect_near(fast.out, plain.out, 2e-6f, "out");
    expect_near(fast.lse, plain.lse, 2e-6f, "lse");
    expect_near(fast.dq, plain.dq, 1e-5f, "dq");
    expect_near(fast.dk, plain.dk, 2e-5f, "dk");
    expect_near(fast.dv, plain.dv, 2e-5f, "dv");
  }
}

void expect_independent(const AttentionCase& c) {
  EXPECT_EQ(c.fast(1), c.fast(3));
  AttentionCase alone = c;
  alone.sequences = {c.sequences[1]};
  const AttentionCase::Result all = c.fast(2), one = alone.fast(2);
  const auto first = static_cast<std::size_t>(c.sequences[1].first);
  for (std::size_t i = first * c.kv_width; i < (first + 33) * c.kv_width; ++i) {
    EXPECT_EQ(all.dk[i], one.dk[i]);
    EXPECT_EQ(all.dv[i], one.dv[i]);
  }
  for (std::size_t i = first * c.q_width; i < (first + 33) * c.q_width; ++i) {
    EXPECT_EQ(all.out[i], one.out[i]);
    EXPECT_EQ(all.dq[i], one.dq[i]);
  }
}

TEST_P(Training, CausalAttentionDependsNeitherOnThreadsNorOnNeighbours) {
  expect_independent(AttentionCase({4, 2, 16, 0.25f}, {70, 33, 129}));
  expect_independent(AttentionCase({4, 2, 16, 0.25f, 0, 20}, {70, 33, 400}));
  expect_independent(AttentionCase({4, 2, 16, 0.25f, 1.5f, 0}, {70, 33, 129}));
}

// What a window hides is not in any sum: a sequence's last rows are those of one that begins later.
TEST_P(Training, CausalAttentionWithinAWindowDoesNotSeeWhatIsBefore) {
  const AttentionCase c({2, 1, 16, 0.25f, 0, 9}, {700});
  AttentionCase other = c;
  for (std::size_t i = 0; i < 500 * c.kv_width; ++i) other.k[i] = 3, other.v[i] = -2;
  const AttentionCase::Result one = c.fast(1), two = other.fast(1);
  const auto tail = [](const Floats& all, std::size_t from) {
    return Floats(all.begin() + static_cast<std::ptrdiff_t>(from), all.end());
  };
  EXPECT_EQ(tail(one.out, 508 * c.q_width), tail(two.out, 508 * c.q_width));
  EXPECT_EQ(tail(one.dq, 508 * c.q_width), tail(two.dq, 508 * c.q_width));
  EXPECT_EQ(tail(one.dk, 508 * c.kv_width), tail(two.dk, 508 * c.kv_width));
  EXPECT_NE(tail(one.out, 507 * c.q_width), tail(two.out, 507 * c.q_width));
}

REFOCUS_EVERY_TARGET_AND_AMX(Training);

}  // namespace
}  // namespace refocus
