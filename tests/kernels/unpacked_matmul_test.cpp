// Products of float32 activations with packed weights, against dequantised ones.
#include <cmath>
#include <cstring>

#include "kernels/packed_support.h"

namespace refocus {
namespace {

class UnpackedMatMul : public testing::EveryTarget {};

// [rows, padded(inputs)]
AlignedBuffer<float> activations(std::int64_t rows, std::int64_t inputs, unsigned seed) {
  const std::vector<float> values = testing::random_floats(static_cast<std::size_t>(rows * inputs), seed);
  AlignedBuffer<float> out(static_cast<std::size_t>(rows * padded(inputs)));
  std::fill_n(out.data(), out.size(), 0.0f);
  for (std::int64_t r = 0; r < rows; ++r) {
    std::copy_n(values.data() + r * inputs, inputs, out.data() + r * padded(inputs));
  }
  return out;
}

// Bit for bit but for the sign of zero: packing loses nothing.
TEST_P(UnpackedMatMul, PanelsHoldTheDequantizedWeights) {
  ThreadPool pool(2);
  for (const DType type : testing::block_types()) {
    for (const std::int64_t inputs : {32, 96, 192, 256, 768}) {
      if (!can_pack(type, inputs)) continue;
      const std::int64_t outputs = 21;
      const std::vector<std::byte> rows = testing::random_blocks(type, outputs, inputs);
      const PackedMatrix packed = pack(pool, type, rows.data(), outputs, inputs);
      std::vector<float> panel(static_cast<std::size_t>(inputs * kPanelOutputs)),
          row(static_cast<std::size_t>(inputs));
      for (std::int64_t n = 0; n < outputs; ++n) {
        if (n % kPanelOutputs == 0) unpack_panel(packed, n / kPanelOutputs, panel.data());
        dequantize_row(type, &rows[static_cast<std::size_t>(n) * bytes_of(type, inputs)], row.data(), inputs);
        for (std::int64_t k = 0; k < inputs; ++k) {
          ASSERT_EQ(panel[static_cast<std::size_t>(k * kPanelOutputs + n % kPanelOutputs)],
                    row[static_cast<std::size_t>(k)])
              << name_of(type) << " row " << n << " input " << k;
        }
      }
    }
  }
}

TEST_P(UnpackedMatMul, EqualsThePlainTwin) {
  ThreadPool pool(2);
  for (const DType type : testing::block_types()) {
    for (const std::int64_t inputs : {32, 96, 192, 768}) {
      if (!can_pack(type, inputs)) continue;
      for (const std::int64_t outputs : {1, 15, 16, 40}) {
        const std::vector<std::byte> blocks = testing::random_blocks(type, outputs, inputs);
        const PackedMatrix w = pack(pool, type, blocks.data(), outputs, inputs);
        const std::vector<float> bias = testing::random_floats(static_cast<std::size_t>(outputs), 3);
        for (const std::int64_t rows : {1, 2, 5, 13}) {
          const AlignedBuffer<float> x = activations(rows, inputs, 11);
          const std::int64_t stride = outputs + 3;
          std::vector<float> expected = testing::random_floats(static_cast<std::size_t>(rows * stride), 4);
          std::vector<float> actual = expected, exact = expected;
          PackedJob job{&w, rows % 2 == 0 ? bias.data() : nullptr, rows % 3 == 0, expected.data(), stride};
          reference::unpacked_matmul({x.data(), rows, inputs}, type, blocks.data(), job);
          job.y = actual.data();
          unpacked_matmul(pool, {x.data(), rows, inputs}, {&job, 1});
          reference::matmul({x.data(), rows, inputs},
                            {blocks.data(), type, outputs, job.bias, job.accumulate, exact.data(), stride});
          double size = 1;
          for (const float v : exact) size = std::max(size, std::fabs(static_cast<double>(v)));
          for (std::size_t i = 0; i < actual.size(); ++i) {
            if (GetParam() != HWY_SSSE3) {  // has no fused multiply-add
              ASSERT_EQ(actual[i], expected[i]) << name_of(type) << " " << rows << "x" << outputs;
            }
            ASSERT_NEAR(actual[i], exact[i], 2e-6 * size) << name_of(type) << " " << rows << "x" << outputs;
          }
        }
      }
    }
  }
}

TEST_P(UnpackedMatMul, DoesNotDependOnRowsThreadsOrCompany) {
  ThreadPool one(1), two(2);
  for (const DType type : {DType::kQ4_K, DType::kQ8_0, DType::kIQ2_S}) {
    const std::int64_t inputs = 512, outputs = 50, rows = 150;
    const std::vector<std::byte> blocks = testing::random_blocks(type, outputs, inputs);
    const PackedMatrix w = pack(two, type, blocks.data(), outputs, inputs);
    const AlignedBuffer<float> x = activations(rows, inputs, 9);
    std::vector<float> all(static_cast<std::size_t>(rows * outputs));
    const PackedJob job{&w, nullptr, false, all.data(), outputs};
    unpacked_matmul(two, {x.data(), rows, inputs}, {&job, 1});
    for (const std::int64_t count : {1, 2, 3, 5, 12, 17, 140}) {
      for (const std::int64_t first : {std::int64_t{0}, rows - count}) {
        std::vector<float> some(static_cast<std::size_t>(count * outputs)), other = some;
        const PackedJob jobs[] = {{&w, nullptr, false, other.data(), outputs},
                                  {&w, nullptr, false, some.data(), outputs}};
        unpacked_matmul(one, {x.data() + first * padded(inputs), count, inputs}, jobs);
        ASSERT_EQ(std::memcmp(some.data(), &all[static_cast<std::size_t>(first * outputs)],
                              some.size() * sizeof(float)),
                  0)
            << name_of(type) << " " << count << " rows from " << first;
      }
    }
  }
}

REFOCUS_EVERY_TARGET(UnpackedMatMul);

}  // namespace
}  // namespace refocus
