// The backward formulas of kernels/reference/gradients.h against central finite differences of the forward
// ones, all in double.
#include "kernels/reference/gradients.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

namespace refocus::reference {
namespace {

using Values = std::vector<double>;

Values random_values(std::size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  Values out(count);
  for (double& v : out) v = normal(engine);
  return out;
}

double dot(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Expects `gradient` to be that of `loss` in x: relative error (to the gradient's own size) below 1e-4.
void expect_gradient(Values& x, const Values& gradient, const std::function<double()>& loss,
                     const char* what) {
  ASSERT_EQ(x.size(), gradient.size());
  const double norm = std::sqrt(dot(gradient, gradient) / static_cast<double>(gradient.size()));
  ASSERT_GT(norm, 1e-3) << what;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double before = x[i], h = 1e-5 * std::max(1.0, std::fabs(before));
    x[i] = before + h;
    const double above = loss();
    x[i] = before - h;
    const double below = loss();
    x[i] = before;
    const double numeric = (above - below) / (2 * h);
    EXPECT_NEAR(gradient[i], numeric, 1e-4 * std::max(std::fabs(numeric), 1e-2 * norm)) << what << " " << i;
  }
}

TEST(Gradients, Linear) {
  const std::int64_t rows = 5, in = 4, out = 3;
  Values x = random_values(20, 1), w = random_values(12, 2);
  const Values dy = random_values(15, 3);
  const auto loss = [&] {
    Values y(15);
    gemm<double>(rows, out, in, {x.data(), in}, {w.data(), 1, in}, {y.data(), out}, false);
    return dot(y, dy);
  };
  Values dx(20), dw(12, 0.5);
  gemm<double>(rows, in, out, {dy.data(), out}, {w.data(), in}, {dx.data(), in}, false);
  gemm<double>(out, in, rows, {dy.data(), 1, out}, {x.data(), in}, {dw.data(), in}, true);
  for (double& v : dw) v -= 0.5;  // what was there before it was added to
  expect_gradient(x, dx, loss, "dx");
  expect_gradient(w, dw, loss, "dW");
}

TEST(Gradients, LinearWithAnAdapter) {
  const std::int64_t rows = 5, in = 4, out = 6, rank = 3;
  Values x = random_values(20, 1), a = random_values(12, 2), b = random_values(18, 3);
  const Values w = random_values(24, 4), dy = random_values(30, 5);
  const LoraLinear<double> layer{rows, in, out, rank, 0.7, w.data(), a.data(), b.data()};
  const auto loss = [&] {
    Values y(30);
    lora_forward(layer, x.data(), y.data());
    return dot(y, dy);
  };
  Values dx(20), da(12), db(18);
  lora_backward(layer, x.data(), dy.data(), dx.data(), da.data(), db.data());
  expect_gradient(x, dx, loss, "dx");
  expect_gradient(a, da, loss, "dA");
  expect_gradient(b, db, loss, "dB");
}

TEST(Gradients, Embedding) {
  const std::vector<std::int32_t> tokens = {2, 0, 2, 3};
  Values table = random_values(5 * 3, 1);
  const Values dx = random_values(4 * 3, 2);
  Values gradient(table.size());
  embedding_backward<double>(dx.data(), tokens, 3, gradient.data());
  expect_gradient(
      table, gradient,
      [&] {
        Values x(dx.size());
        embedding_forward<double>(table.data(), tokens, 3, x.data());
        return dot(x, dx);
      },
      "table");
}

TEST(Gradients, RmsNorm) {
  const std::int64_t size = 7;
  Values x = random_values(7, 1), w = random_values(7, 2);
  const Values dy = random_values(7, 3);
  const auto loss = [&] {
    Values y(7);
    rms_norm_forward(x.data(), w.data(), size, 1e-2, y.data());
    return dot(y, dy);
  };
  Values dx(7), dw(7);
  rms_norm_backward(x.data(), w.data(), dy.data(), size, 1e-2, dx.data(), dw.data());
  expect_gradient(x, dx, loss, "dx");
  expect_gradient(w, dw, loss, "dweight");
}

TEST(Gradients, Rope) {
  Values x = random_values(2 * 6, 1);
  const Values angles = random_values(3, 2), dy = random_values(12, 3);
  Values c(3), s(3);
  for (std::size_t i = 0; i < 3; ++i) c[i] = std::cos(angles[i]), s[i] = std::sin(angles[i]);
  Values dx = dy;
  rope_backward(dx.data(), 2, 6, c.data(), s.data());
  expect_gradient(
      x, dx,
      [&] {
        Values y = x;
        rope_forward(y.data(), 2, 6, c.data(), s.data());
        return dot(y, dy);
      },
      "dx");
}

TEST(Gradients, Swiglu) {
  Values gate = random_values(9, 1), up = random_values(9, 2);
  const Values dy = random_values(9, 3);
  const auto loss = [&] {
    Values y(9);
    swiglu_forward(gate.data(), up.data(), 9, y.data());
    return dot(y, dy);
  };
  Values d_gate(9), d_up(9);
  swiglu_backward(gate.data(), up.data(), dy.data(), 9, d_gate.data(), d_up.data());
  expect_gradient(gate, d_gate, loss, "dgate");
  expect_gradient(up, d_up, loss, "dup");
}

TEST(Gradients, GeluTanhGate) {
  Values gate = random_values(9, 1), up = random_values(9, 2);
  for (double& g : gate) g *= 2;  // where the tanh bends
  const Values dy = random_values(9, 3);
  const auto loss = [&] {
    Values y(9);
    gelu_tanh_forward(gate.data(), up.data(), 9, y.data());
    return dot(y, dy);
  };
  Values d_gate(9), d_up(9);
  gelu_tanh_backward(gate.data(), up.data(), dy.data(), 9, d_gate.data(), d_up.data());
  expect_gradient(gate, d_gate, loss, "dgate");
  expect_gradient(up, d_up, loss, "dup");
}

TEST(Gradients, Softcap) {
  Values x = random_values(9, 1), y(9), dx(9);
  const Values dy = random_values(9, 2);
  const auto loss = [&] {
    softcap_forward(x.data(), 0.8, 9, y.data());
    return dot(y, dy);
  };
  loss();
  const Values capped = y;
  softcap_backward(capped.data(), 0.8, dy.data(), 9, dx.data());
  expect_gradient(x, dx, loss, "dx");
}

TEST(Gradients, CrossEntropy) {
  Values logits = random_values(11, 1), gradient(11);
  cross_entropy(logits.data(), 11, 4, 0.7, gradient.data());
  expect_gradient(
      logits, gradient, [&] { return 0.7 * cross_entropy<double>(logits.data(), 11, 4, 0, nullptr); },
      "logits");
}

void expect_attention_gradients(const AttentionShape& shape) {
  const std::vector<RowSpan> sequences = {{0, 3}, {3, 1}, {4, 5}};
  const std::size_t rows = 9;
  Values q = random_values(rows * 12, 1), k = random_values(rows * 6, 2), v = random_values(rows * 6, 3);
  const Values d_out = random_values(rows * 12, 4);
  Values out(rows * 12), lse(rows * 4), dq(rows * 12), dk(rows * 6), dv(rows * 6);
  const CausalArrays<double> arrays{q.data(),  k.data(),  v.data(),  out.data(), lse.data(), d_out.data(),
                                    dq.data(), dk.data(), dv.data(), 12,         6};
  const auto loss = [&] {
    causal_attention_forward<double>(shape, sequences, arrays);
    return dot(out, d_out);
  };
  loss();
  causal_attention_backward<double>(shape, sequences, arrays);
  expect_gradient(q, dq, loss, "dq");
  expect_gradient(k, dk, loss, "dk");
  expect_gradient(v, dv, loss, "dv");
}

TEST(Gradients, GroupedQueryAttentionOverPackedSequences) { expect_attention_gradients({4, 2, 3, 0.6f}); }
TEST(Gradients, AttentionWithinAWindow) { expect_attention_gradients({4, 2, 3, 0.6f, 0, 2}); }
TEST(Gradients, AttentionOfCappedScores) { expect_attention_gradients({4, 2, 3, 0.6f, 0.9f, 3}); }

}  // namespace
}  // namespace refocus::reference
