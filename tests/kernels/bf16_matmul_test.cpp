// Products of operands in bf16, against sums in double of the same rounded operands.
#include "kernels/bf16_matmul.h"

#include <cmath>
#include <cstring>

#include "kernels/packed_support.h"
#include "kernels/targets.h"
#include "tensor/block_formats.h"
#include "tensor/half.h"

namespace refocus {
namespace {

class Bf16MatMul : public testing::EveryTarget {};

float as_bf16(float value) { return bf16_to_f32(f32_to_bf16(value)); }

// Weights of one type in the file's order, packed where they are blocks.
struct Bf16Weights {
  DType type;
  std::int64_t outputs, inputs;
  std::vector<std::byte> rows;
  PackedMatrix packed;

  Bf16Weights(ThreadPool& pool, DType type, std::int64_t outputs, std::int64_t inputs)
      : type(type), outputs(outputs), inputs(inputs) {
    if (is_block_type(type)) {
      rows = testing::random_blocks(type, outputs, inputs);
      packed = pack(pool, type, rows.data(), outputs, inputs);
      return;
    }
    const std::vector<float> values = testing::random_floats(static_cast<std::size_t>(outputs * inputs), 2);
    rows.resize(values.size() * size_of(type));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::uint16_t bits = type == DType::kF16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
      std::memcpy(&rows[i * size_of(type)],
                  type == DType::kF32 ? static_cast<const void*>(&values[i]) : &bits, size_of(type));
    }
  }

  Bf16Job job(float* y, std::int64_t y_stride) const {
    Bf16Job out{{rows.data(), type, outputs, nullptr, false, y, y_stride}, nullptr};
    if (is_block_type(type)) out.packed = &packed;
    return out;
  }
  std::vector<float> row(std::int64_t n) const {
    std::vector<float> out(static_cast<std::size_t>(inputs));
    dequantize_row(type, rows.data() + static_cast<std::size_t>(n) * bytes_of(type, inputs), out.data(),
                   inputs);
    return out;
  }
};

AlignedBuffer<float> padded_rows(std::int64_t rows, std::int64_t inputs, unsigned seed) {
  AlignedBuffer<float> out(static_cast<std::size_t>(rows * padded(inputs)));
  const std::vector<float> values = testing::random_floats(static_cast<std::size_t>(rows * inputs), seed);
  for (std::int64_t r = 0; r < rows; ++r) {
    std::copy_n(&values[static_cast<std::size_t>(r * inputs)], inputs, out.data() + r * padded(inputs));
  }
  return out;
}

void round_rows(const MatMulInput& x, Bf16Rows& out) {
  resize(out, x.rows, x.inputs);
  for (std::int64_t r = 0; r < x.rows; ++r) round_row(x.x + r * padded(x.inputs), r, out);
}

// Of |y - the plain twin's|: what float32 sums of `inputs` products may be off, in units of the root of the
// sum of the squared products, which `exact` is computed with.
double tolerance(const std::vector<float>& w, const float* x) {
  double squares = 0;
  for (std::size_t k = 0; k < w.size(); ++k) {
    const double product = static_cast<double>(as_bf16(w[k])) * static_cast<double>(as_bf16(x[k]));
    squares += product * product;
  }
  return 4e-6 * std::sqrt(squares) + 2e-6;  // the last for bias and what y held
}

void expect_like_twin(ThreadPool& pool, const Bf16Weights& w, std::int64_t rows) {
  const AlignedBuffer<float> x = padded_rows(rows, w.inputs, 11);
  const std::vector<float> bias = testing::random_floats(static_cast<std::size_t>(w.outputs), 3);
  const std::int64_t stride = w.outputs + 3;
  std::vector<float> expected = testing::random_floats(static_cast<std::size_t>(rows * stride), 4);
  std::vector<float> actual = expected;
  Bf16Job job = w.job(expected.data(), stride);
  job.product.bias = rows % 2 == 0 ? bias.data() : nullptr;
  job.product.accumulate = rows % 3 == 0;
  reference::bf16_matmul({x.data(), rows, w.inputs}, w.type, w.rows.data(), job);
  Bf16Rows rounded;
  round_rows({x.data(), rows, w.inputs}, rounded);
  std::vector<float> otherwise = actual;
  const auto compute = [&](bool single_streams, std::vector<float>& y) {
    const testing::ReadAs read(single_streams);
    job.product.y = y.data();
    bf16_matmul(pool, rounded, {&job, 1});
  };
  compute(false, actual);
  compute(true, otherwise);
  ASSERT_EQ(actual, otherwise) << "however weights are read";
  for (std::int64_t n = 0; n < stride; ++n) {
    const std::vector<float> row = n < w.outputs ? w.row(n) : std::vector<float>();
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto i = static_cast<std::size_t>(r * stride + n);
      const double most = n < w.outputs ? tolerance(row, x.data() + r * padded(w.inputs)) : 0;
      ASSERT_NEAR(actual[i], expected[i], most) << name_of(w.type) << " " << rows << "x" << w.inputs << "x"
                                                << w.outputs << " at " << r << ", " << n;
    }
  }
}

TEST_P(Bf16MatMul, EqualsThePlainTwin) {
  ThreadPool pool(2);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const std::int64_t inputs : {1, 7, 16, 31, 32, 33, 300, 515}) {
      for (const std::int64_t outputs : {1, 16, 37, 70, 130}) {
        const Bf16Weights w(pool, type, outputs, inputs);
        for (const std::int64_t rows : {1, 2, 15, 16, 17, 33, 48}) {
          if (rows > 2 && inputs < 31) continue;
          expect_like_twin(pool, w, rows);
        }
      }
    }
  }
}

TEST_P(Bf16MatMul, EqualsThePlainTwinForBlockTypes) {
  ThreadPool pool(2);
  for (const DType type : testing::block_types()) {
    for (const std::int64_t inputs : {32, 288, 512}) {
      if (!can_pack(type, inputs)) continue;
      for (const std::int64_t outputs : {1, 16, 40, 70}) {
        const Bf16Weights w(pool, type, outputs, inputs);
        for (const std::int64_t rows : {1, 2, 21}) expect_like_twin(pool, w, rows);
      }
    }
  }
}

// 515 rows are 33 groups in two parts; the last tile of outputs and the last step are not full.
TEST_P(Bf16MatMul, DoesNotDependOnRowsThreadsOrCompany) {
  ThreadPool one(1), two(2);
  for (const DType type :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_1, DType::kQ6_K}) {
    const std::int64_t inputs = is_block_type(type) ? 512 : 555, outputs = 101, rows = 515;
    const Bf16Weights w(two, type, outputs, inputs);
    const AlignedBuffer<float> x = padded_rows(rows, inputs, 9);
    std::vector<float> all(static_cast<std::size_t>(rows * outputs));
    Bf16Rows rounded;
    round_rows({x.data(), rows, inputs}, rounded);
    const Bf16Job job = w.job(all.data(), outputs);
    bf16_matmul(two, rounded, {&job, 1});
    for (const std::int64_t count : {1, 2, 5, 15, 16, 17, 31, 100, 514}) {
      for (const std::int64_t first : {std::int64_t{0}, rows - count}) {
        std::vector<float> some(static_cast<std::size_t>(count * outputs)), other = some;
        Bf16Job jobs[] = {w.job(other.data(), outputs), w.job(some.data(), outputs)};
        round_rows({x.data() + first * padded(inputs), count, inputs}, rounded);
        bf16_matmul(one, rounded, jobs);
        ASSERT_EQ(std::memcmp(some.data(), &all[static_cast<std::size_t>(first * outputs)],
                              some.size() * sizeof(float)),
                  0)
            << name_of(type) << " " << count << " rows from " << first;
      }
    }
  }
}

// The operands of one weight and one input are rounded to nearest, ties to even, and what is no number stays
// none.
TEST_P(Bf16MatMul, RoundsBothOperandsOnce) {
  ThreadPool pool(1);
  const float above = 1 + 0x1p-8f + 0x1p-20f, tie = 1 + 0x1p-8f, odd_tie = 1 + 3 * 0x1p-8f;
  const float none = std::bit_cast<float>(0x7FFFFFFFu), infinite = std::numeric_limits<float>::infinity();
  for (const float value : {above, tie, odd_tie, -tie, 0.0f, 3.3895e38f, infinite, none}) {
    for (const bool of_weight : {false, true}) {
      const float x = of_weight ? 1.0f : value, w = of_weight ? value : 1.0f;
      AlignedBuffer<float> row(kRowAlign);
      row[0] = x;
      float y = 0;
      const Bf16Job job{{reinterpret_cast<const std::byte*>(&w), DType::kF32, 1, nullptr, false, &y, 1},
                        nullptr};
      Bf16Rows rounded;
      round_rows({row.data(), 1, 1}, rounded);
      bf16_matmul(pool, rounded, {&job, 1});
      if (value != value) {
        EXPECT_TRUE(std::isnan(y));
      } else {
        EXPECT_EQ(y, as_bf16(value)) << value << (of_weight ? " as weight" : " as input");
      }
    }
  }
}

// One element of y in the order that kernels/bf16_matmul.h states.
float in_order_of_amx(const float* x, const std::vector<float>& w) {
  float sum = 0;
  for (std::size_t k = 0; k < w.size(); k += 32) {
    float pair[2] = {};
    for (std::size_t i = k; i < std::min(k + 32, w.size()); ++i) {
      pair[i % 2] = std::fma(as_bf16(w[i]), as_bf16(x[i]), pair[i % 2]);
    }
    sum += pair[0] + pair[1];
  }
  return sum;
}
float in_order_of_avx512(const float* x, const std::vector<float>& w) {
  float sum = 0;
  for (std::size_t k = 0; k < w.size(); k += 2) {
    if (k + 1 < w.size()) sum = std::fma(as_bf16(w[k + 1]), as_bf16(x[k + 1]), sum);
    sum = std::fma(as_bf16(w[k]), as_bf16(x[k]), sum);
  }
  return sum;
}

using ElementInOrder = float (*)(const float* x, const std::vector<float>& w);

void expect_order(ElementInOrder element, DType type, std::int64_t rows) {
  ThreadPool pool(2);
  const std::int64_t inputs = is_block_type(type) ? 768 : 333, outputs = 83;
  const Bf16Weights w(pool, type, outputs, inputs);
  const AlignedBuffer<float> x = padded_rows(rows, inputs, 5);
  std::vector<float> y(static_cast<std::size_t>(rows * outputs));
  const Bf16Job job = w.job(y.data(), outputs);
  Bf16Rows rounded;
  round_rows({x.data(), rows, inputs}, rounded);
  bf16_matmul(pool, rounded, {&job, 1});
  for (std::int64_t n = 0; n < outputs; ++n) {
    const std::vector<float> row = w.row(n);
    for (std::int64_t r = 0; r < rows; ++r) {
      ASSERT_EQ(y[static_cast<std::size_t>(r * outputs + n)], element(x.data() + r * padded(inputs), row))
          << name_of(type) << " row " << r << " of " << rows << ", output " << n;
    }
  }
}

constexpr DType kOrderedTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16,
                                   DType::kQ8_0, DType::kQ4_1, DType::kQ5_K};

TEST(Bf16MatMulByAmx, AddsInTheStatedOrder) {
  if (bf16_kind() != Bf16Kind::kAmx) GTEST_SKIP() << "this processor has no AMX with bf16";
  for (const DType type : kOrderedTypes) {
    for (const std::int64_t rows : {1, 3, 16, 39}) expect_order(in_order_of_amx, type, rows);
  }
}

class Bf16MatMulByAvx512 : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::use_target(testing::kAvx512Bf16Target);
    if (bf16_kind() != Bf16Kind::kAvx512) GTEST_SKIP() << "this processor has no AVX-512 with bf16";
  }
  void TearDown() override { testing::use_best_target(); }
};

TEST_F(Bf16MatMulByAvx512, AddsInTheStatedOrder) {
  for (const DType type : kOrderedTypes) {
    for (std::int64_t rows = 1; rows <= 40; ++rows) expect_order(in_order_of_avx512, type, rows);
  }
}

REFOCUS_EVERY_TARGET_AMX_AND_BF16(Bf16MatMul);

}  // namespace
}  // namespace refocus
