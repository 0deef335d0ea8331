#include "kernels/packed_matmul.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/packed_support.h"

namespace refocus {
namespace {

using testing::block_types;
using testing::random_blocks;

class PackedMatMul : public testing::EveryTarget {};

QuantizedRows quantized(std::int64_t rows, std::int64_t inputs, Int8Parts parts = Int8Parts::kOne,
                        unsigned seed = 1) {
  ThreadPool pool(1);
  const std::vector<float> x = testing::random_floats(static_cast<std::size_t>(rows * inputs), seed);
  QuantizedRows out;
  quantize_rows(pool, x.data(), inputs, rows, inputs, parts, out);
  return out;
}

// A block as its definition has it.
QuantizedBlock plain_block(const float* x) {
  float most = 0;
  for (std::int64_t i = 0; i < 32; ++i) most = std::max(most, std::abs(x[i]));
  QuantizedBlock out;
  out.scale = most / 127;
  std::int32_t sums[2] = {0, 0};
  for (std::int64_t i = 0; i < 32; ++i) {
    out.q[i] = static_cast<std::int8_t>(most > 0 ? std::nearbyint(x[i] * (127 / most)) : 0.0f);
    sums[i / 16] += out.q[i];
  }
  for (std::int64_t half = 0; half < 2; ++half) out.half_sums[half] = static_cast<std::int16_t>(sums[half]);
  out.eight_less = -8 * (sums[0] + sums[1]);
  out.scaled_sum = out.scale * static_cast<float>(sums[0] + sums[1]);
  return out;
}

// And within half a step of x; rows of as many blocks as are taken together, and of others.
TEST_P(PackedMatMul, QuantizedRowsAreThePlainOnes) {
  ThreadPool pool(2);
  const std::int64_t rows = 3;
  for (const std::int64_t blocks : {1, 2, 3, 4, 5, 15, 16, 17, 18, 33, 48}) {
    const std::int64_t inputs = blocks * 32;
    std::vector<float> x = testing::random_floats(static_cast<std::size_t>(rows * inputs), 5);
    std::fill_n(x.begin() + inputs, 32, 0.0f);
    std::int64_t place = inputs - 32;
    for (std::int64_t i = 0; i < 32; ++i) x[static_cast<std::size_t>(2 * inputs + i)] *= 1e-30f;
    // A scale of 1, and halves, which become even numbers.
    for (const float special : {-127.0f, 2.5f, -2.5f, 3.5f, -0.5f})
      x[static_cast<std::size_t>(place++)] = special;
    QuantizedRows q;
    quantize_rows(pool, x.data(), inputs, rows, inputs, Int8Parts::kOne, q);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t b = 0; b < blocks; ++b) {
        const QuantizedBlock expected = plain_block(x.data() + r * inputs + b * 32);
        const QuantizedBlock& block = q.row(r)[b];
        EXPECT_EQ(std::memcmp(&block, &expected, sizeof(expected)), 0) << blocks << " " << r << " " << b;
        for (std::int64_t i = 0; i < 32; ++i) {
          EXPECT_NEAR(block.q[i] * block.scale, x[static_cast<std::size_t>(r * inputs + b * 32 + i)],
                      block.scale * 0.5001f);
        }
      }
    }
    EXPECT_EQ(q.row(1)[0].scale, 0.0f);
  }
}

// The first part is what one part would be; both together are within half a step of the second, and what
// float32 makes of the difference.
TEST_P(PackedMatMul, TwoPartsHoldWhatOneLeaves) {
  ThreadPool pool(2);
  const std::int64_t rows = 3, inputs = 96;
  std::vector<float> x = testing::random_floats(static_cast<std::size_t>(rows * inputs), 5);
  std::fill_n(x.begin() + 32, 32, 0.0f);
  QuantizedRows one, two;
  quantize_rows(pool, x.data(), inputs, rows, inputs, Int8Parts::kOne, one);
  quantize_rows(pool, x.data(), inputs, rows, inputs, Int8Parts::kTwo, two);
  for (std::int64_t r = 0; r < rows; ++r) {
    ASSERT_EQ(
        std::memcmp(one.row(r), two.row(r), sizeof(QuantizedBlock) * static_cast<std::size_t>(inputs / 32)),
        0);
    for (std::int64_t i = 0; i < inputs; ++i) {
      const QuantizedBlock& coarse = two.row(r)[i / 32];
      const QuantizedBlock& fine = two.part_row(2 * r + 1)[i / 32];
      EXPECT_LE(fine.scale, coarse.scale * 0.5001f / 127);
      const double value = static_cast<double>(coarse.scale) * coarse.q[i % 32] +
                           static_cast<double>(fine.scale) * fine.q[i % 32];
      const double actual = x[static_cast<std::size_t>(r * inputs + i)];
      EXPECT_NEAR(value, actual, fine.scale * 0.5001 + std::abs(actual) * 0x1p-23);
    }
  }
  EXPECT_EQ(two.part_row(1)[1].scale, 0.0f);
}

TEST_P(PackedMatMul, NaNIsNotHidden) {
  ThreadPool pool(1);
  for (const float bad : {std::nanf(""), -std::nanf(""), INFINITY, -INFINITY}) {
    std::vector<float> x(6 * 32, 1.0f);
    x[4 * 32 + 8] = bad;
    QuantizedRows q;
    quantize_rows(pool, x.data(), 6 * 32, 1, 6 * 32, Int8Parts::kTwo, q);
    for (std::int64_t b = 0; b < 6; ++b) {
      EXPECT_EQ(std::isfinite(q.row(0)[b].scale), b != 4);
      EXPECT_EQ(std::isfinite(q.part_row(1)[b].scale), b != 4);
    }
  }
}

TEST_P(PackedMatMul, EqualsThePlainTwin) {
  ThreadPool pool(2);
  for (const DType type : block_types()) {
    for (const std::int64_t inputs : {32, 96, 192, 256, 768}) {
      if (!can_pack(type, inputs))
        continue;  // super-blocks have 256 inputs; the others may leave half a unit
      for (const std::int64_t outputs : {1, 8, 15, 16, 17, 40}) {
        const std::vector<std::byte> rows_of_w = random_blocks(type, outputs, inputs);
        const PackedMatrix w = pack(pool, type, rows_of_w.data(), outputs, inputs);
        const std::vector<float> bias = testing::random_floats(static_cast<std::size_t>(outputs), 3);
        for (const std::int64_t rows : {1, 2, 3, 4, 6, 7, 8, 13}) {
          // Both parts, the first of two, and the only one.
          const Int8Parts parts = rows % 4 == 0 ? Int8Parts::kOne : Int8Parts::kTwo;
          const Int8Parts taken = rows % 2 == 0 ? Int8Parts::kOne : Int8Parts::kTwo;
          const QuantizedRows x = quantized(rows, inputs, parts);
          const std::int64_t stride = outputs + 5;
          std::vector<float> expected = testing::random_floats(static_cast<std::size_t>(rows * stride), 4);
          std::vector<float> actual = expected;
          PackedJob job{&w,   rows % 2 == 0 ? bias.data() : nullptr, rows % 3 == 0, expected.data(), stride,
                        taken};
          reference::block_matmul(x, type, rows_of_w.data(), job);
          job.y = actual.data();
          packed_matmul(pool, x, {&job, 1});
          double size = 1;
          for (const float v : expected) size = std::max(size, std::fabs(static_cast<double>(v)));
          for (std::size_t i = 0; i < actual.size(); ++i) {
            ASSERT_NEAR(actual[i], expected[i], 4e-6 * size)
                << name_of(type) << " " << rows << "x" << outputs << " at " << i;
          }
        }
      }
    }
  }
}

TEST(PackedBytes, AreThoseOfTheFileWhereTypesHaveAFormOfTheirOwn) {
  for (const DType type : block_types()) {
    const bool shares = type == DType::kTQ1_0 || type == DType::kTQ2_0;
    if (shares || packed_form(type) == PackedForm::kScaledInts) continue;
    const auto packed = static_cast<double>(packed_bytes(type, 64, 2048));
    EXPECT_LT(packed, 1.1 * static_cast<double>(64 * bytes_of(type, 2048))) << name_of(type);
  }
}

TEST_P(PackedMatMul, RowsMayBeStoredInAnotherOrder) {
  ThreadPool pool(2);
  const std::int64_t outputs = 40, inputs = 256;
  for (const DType type : block_types()) {
    const std::size_t row_bytes = bytes_of(type, inputs);
    const std::vector<std::byte> ordered = random_blocks(type, outputs, inputs);
    std::vector<std::byte> reversed(ordered.size());
    for (std::size_t n = 0; n < 40; ++n) {
      std::memcpy(&reversed[n * row_bytes], &ordered[(39 - n) * row_bytes], row_bytes);
    }
    PackedStorage storage(packed_bytes(type, outputs, inputs));
    const PackedMatrix a = pack(pool, type, ordered.data(), outputs, inputs);
    const PackedMatrix b =
        pack(pool, type, reversed.data(), outputs, inputs, storage, [](std::int64_t n) { return 39 - n; });
    ASSERT_EQ(a.bytes(), b.bytes());
    EXPECT_EQ(std::memcmp(a.data, b.data, a.bytes()), 0) << name_of(type);
  }
}

void expect_independent_rows(DType type, Int8Parts parts) {
  ThreadPool one(1), two(2);
  const std::int64_t inputs = 512, outputs = 50, rows = 29;
  const std::vector<std::byte> blocks = random_blocks(type, outputs, inputs);
  const PackedMatrix w = pack(two, type, blocks.data(), outputs, inputs);
  const std::vector<float> x = testing::random_floats(static_cast<std::size_t>(rows * inputs), 9);
  QuantizedRows q;
  quantize_rows(two, x.data(), inputs, rows, inputs, parts, q);
  std::vector<float> all(static_cast<std::size_t>(rows * outputs));
  const PackedJob job{&w, nullptr, false, all.data(), outputs, parts};
  packed_matmul(two, q, {&job, 1});
  for (const std::int64_t count : {1, 2, 3, 5, 8, 16}) {
    for (const std::int64_t first : {std::int64_t{0}, rows - count}) {
      std::vector<float> some(static_cast<std::size_t>(count * outputs)), other = some;
      // Beside a product that takes both parts, whatever this one takes.
      quantize_rows(one, x.data() + first * inputs, inputs, count, inputs, Int8Parts::kTwo, q);
      const PackedJob jobs[] = {{&w, nullptr, false, other.data(), outputs, Int8Parts::kTwo},
                                {&w, nullptr, false, some.data(), outputs, parts}};
      packed_matmul(one, q, jobs);
      ASSERT_EQ(std::memcmp(some.data(), &all[static_cast<std::size_t>(first * outputs)],
                            some.size() * sizeof(float)),
                0)
          << name_of(type) << " " << count << " rows from " << first;
    }
  }
}

TEST_P(PackedMatMul, DoesNotDependOnRowsThreadsOrCompany) {
  for (const DType type : block_types()) {
    for (const bool single_streams : {false, true}) {
      const testing::ReadAs way(single_streams);
      for (const Int8Parts parts : {Int8Parts::kOne, Int8Parts::kTwo}) expect_independent_rows(type, parts);
    }
  }
}

// Products of two parts are nearer to those of the activations themselves, by about the 254 that the second
// part's steps are finer; float32's own rounding is well below.
TEST_P(PackedMatMul, TwoPartsAreNearerToFloatActivations) {
  ThreadPool pool(2);
  const std::int64_t rows = 5, inputs = 512, outputs = 48;
  const std::vector<float> x = testing::random_floats(static_cast<std::size_t>(rows * inputs), 11);
  for (const DType type : block_types()) {
    const std::vector<std::byte> blocks = random_blocks(type, outputs, inputs);
    const PackedMatrix w = pack(pool, type, blocks.data(), outputs, inputs);
    QuantizedRows q;
    quantize_rows(pool, x.data(), inputs, rows, inputs, Int8Parts::kTwo, q);
    std::vector<float> exact(static_cast<std::size_t>(rows * outputs)), y = exact;
    reference::unpacked_matmul({x.data(), rows, inputs}, type, blocks.data(),
                               {&w, nullptr, false, exact.data(), outputs});
    double error[2] = {0, 0};
    for (const Int8Parts parts : {Int8Parts::kOne, Int8Parts::kTwo}) {
      const PackedJob job{&w, nullptr, false, y.data(), outputs, parts};
      packed_matmul(pool, q, {&job, 1});
      for (std::size_t i = 0; i < y.size(); ++i) {
        double& most = error[parts == Int8Parts::kTwo];
        most = std::max(most, std::abs(static_cast<double>(y[i]) - exact[i]));
      }
    }
    EXPECT_LT(error[1], error[0] / 50) << name_of(type);
  }
}

// The same on every instruction set with fused multiply-add. 29 rows are three tiles of AMX, a product with
// both parts five; 608 inputs are not whole chunks of its, 576 are chunks of fewer blocks, 40 outputs are not
// whole pairs of panels.
TEST(PackedMatMulTargets, AgreeBitwise) {
  ThreadPool pool(1);
  const std::int64_t outputs = 40;
  for (const DType type : block_types()) {
    for (const std::int64_t inputs : {32, 96, 288, 576, 608, 768}) {
      if (!can_pack(type, inputs)) continue;
      for (const std::int64_t rows : {5, 8, 29}) {
        const std::vector<std::byte> blocks = random_blocks(type, outputs, inputs);
        const PackedMatrix w = pack(pool, type, blocks.data(), outputs, inputs);
        const QuantizedRows x = quantized(rows, inputs, Int8Parts::kTwo);
        std::vector<std::vector<float>> results;
        for (const std::int64_t target : testing::compiled_targets_and_amx()) {
          if (target == HWY_SSSE3) continue;
          testing::use_target(target);
          std::vector<float> y(static_cast<std::size_t>(2 * rows * outputs), 0.5f);
          const PackedJob jobs[] = {
              {&w, nullptr, true, y.data(), outputs},
              {&w, nullptr, false, y.data() + rows * outputs, outputs, Int8Parts::kTwo}};
          packed_matmul(pool, x, jobs);
          results.push_back(y);
        }
        testing::use_best_target();
        for (const auto& y : results) EXPECT_EQ(y, results.front()) << name_of(type) << " " << rows;
      }
    }
  }
}

// The same where AMX splits its work: deeper than it sums at a time, more rows than stay in the cache, tasks
// of several groups of panels (on one thread), and a last tile that is left to AVX-512.
TEST(PackedMatMulTargets, AgreeBitwiseInLargeProducts) {
  ThreadPool pool(1);
  const std::int64_t rows = 180, inputs = 2304, outputs = 520;
  const QuantizedRows x = quantized(rows, inputs, Int8Parts::kTwo);
  for (const DType type : {DType::kQ8_0, DType::kQ4_1, DType::kQ2_K, DType::kQ6_K, DType::kIQ3_S}) {
    const std::vector<std::byte> blocks = random_blocks(type, outputs, inputs);
    const PackedMatrix w = pack(pool, type, blocks.data(), outputs, inputs);
    std::vector<std::vector<float>> results;
    for (const std::int64_t target : testing::compiled_targets_and_amx()) {
      if (target == HWY_SSSE3) continue;
      testing::use_target(target);
      std::vector<float> y(static_cast<std::size_t>(2 * rows * outputs), 0.5f);
      const PackedJob jobs[] = {{&w, nullptr, true, y.data(), outputs},
                                {&w, nullptr, false, y.data() + rows * outputs, outputs, Int8Parts::kTwo}};
      packed_matmul(pool, x, jobs);
      results.push_back(y);
    }
    testing::use_best_target();
    for (const auto& y : results) EXPECT_EQ(y, results.front()) << name_of(type);
  }
}

REFOCUS_EVERY_TARGET_AND_AMX(PackedMatMul);

}  // namespace
}  // namespace refocus
