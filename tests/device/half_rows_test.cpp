// Results in half precision, and products of them: rows that are made rounded are the rounded rows, bit by
// bit, and parts of one matrix give what the whole gives.
#include "attention_support.h"
#include "device_support.h"
#include "device_weights.h"
#include "tensor/half.h"

namespace refocus {
namespace {

using testing::AttentionCall;
using testing::AttentionProblem;
using testing::HostWeights;
using testing::OnDevice;
using testing::Rows;

constexpr DType kHalves[] = {DType::kF16, DType::kBF16};

class HalfRows : public testing::EveryDevice {
 protected:
  // Rows [rows, size] of a type, each `stride` elements after the last, on the device.
  struct Halves {
    DeviceHalf half;
    OnDevice<std::uint16_t> memory;
    Halves(Device& device, DType type, std::int64_t rows, std::int64_t stride)
        : memory(device, std::vector<std::uint16_t>(static_cast<std::size_t>(rows * stride), 0xFFFF)) {
      half = {type, memory.data(), stride};
    }
  };

  static std::uint16_t rounded(DType type, float value) {
    return type == DType::kBF16 ? f32_to_bf16(value) : f32_to_f16(value);
  }

  // That the halves are the floats, rounded, and nothing beyond them was written.
  static void expect_rounded(const Halves& halves, const Rows& floats) {
    const std::vector<std::uint16_t> actual = halves.memory.download();
    for (std::int64_t r = 0; r < floats.rows; ++r) {
      for (std::int64_t i = 0; i < halves.half.stride; ++i) {
        const std::uint16_t expected =
            i < floats.size ? rounded(halves.half.type, floats.row(r)[i]) : std::uint16_t{0xFFFF};
        ASSERT_EQ(actual[static_cast<std::size_t>(r * halves.half.stride + i)], expected)
            << name_of(halves.half.type) << " row " << r << ", element " << i;
      }
    }
  }
};

TEST_P(HalfRows, OfNorms) {
  for (const DType type : kHalves) {
    for (const std::int64_t size : {64, 576, 5000}) {
      const Rows x(9, size, size, 1);
      const Rows y(9, size, size, 2);
      const std::vector<float> weights = testing::random_normals(static_cast<std::size_t>(size), 3);
      const OnDevice<float> on_x(device(), x.values), on_y(device(), y.values), w(device(), weights);
      DeviceNorm norm;
      norm.input = {on_x.data(), size, 9, size};
      norm.weight = w.data();
      norm.eps = 1e-5f;
      norm.y = on_y.data();
      norm.y_stride = size;
      device().norm(norm);
      const Rows floats = y.read(on_y);
      const Halves halves(device(), type, 9, size + 8);
      norm.half = halves.half;
      device().norm(norm);
      expect_rounded(halves, floats);
    }
  }
}

TEST_P(HalfRows, OfActivations) {
  for (const DType type : kHalves) {
    for (const std::int64_t size : {40, 777}) {
      const Rows gate(5, size, size + 3, 4), up(5, size, size + 3, 5);
      const OnDevice<float> once(device(), gate.values), again(device(), gate.values), u(device(), up.values);
      device().activate(DeviceActivation::kSilu, once.data(), u.data(), 5, size, gate.stride);
      const Halves halves(device(), type, 5, size + 8);
      device().activate(DeviceActivation::kSilu, again.data(), u.data(), 5, size, gate.stride, halves.half);
      expect_rounded(halves, gate.read(once));
    }
  }
}

// Of rows alone in their sequence and of tiles.
TEST_P(HalfRows, OfAttention) {
  const std::int64_t keys[] = {70, 1, 300};
  const testing::AttentionRun runs[] = {{0, 10, 60}, {1, 0, 1}, {2, 299, 1}};
  for (const DevicePrecision precision : precisions()) {
    const AttentionProblem problem(testing::attention_shape(6, 2, 64), DType::kF16, keys, 6);
    AttentionCall once(device(), problem, runs), again(device(), problem, runs);
    once.attention.precision = again.attention.precision = precision;
    device().attend(once.attention);
    Rows floats(62, problem.width(), problem.width(), 7);
    floats.values = once.out();
    const Halves halves(device(), DType::kF16, 62, problem.width() + 8);
    again.attention.half = halves.half;
    device().attend(again.attention);
    expect_rounded(halves, floats);
  }
}

// A product of rows that are there in half precision alone; of sizes that matrix units can do, and of some
// that they cannot.
TEST_P(HalfRows, AreMultiplied) {
  if (is_reference()) GTEST_SKIP() << "the plain twin takes no notice of the precision";
  for (const std::int64_t inputs : {256, 37}) {
    for (const DType type : {DType::kF16, DType::kBF16}) {
      const HostWeights weights(type, 96, inputs, 8);
      DeviceMatrix matrix = weights.to(device());
      Rows x(70, inputs, inputs, 9), nothing(70, inputs, inputs, 9);
      std::ranges::fill(nothing.values, testing::kNotANumber);
      const std::int64_t stride = (inputs + 15) / 16 * 16;
      std::vector<std::uint16_t> values(static_cast<std::size_t>(70 * stride));
      for (std::int64_t r = 0; r < 70; ++r) {
        for (std::int64_t i = 0; i < inputs; ++i) {
          values[static_cast<std::size_t>(r * stride + i)] = rounded(type, x.row(r)[i]);
        }
      }
      const OnDevice<float> on_x(device(), x.values), unwritten(device(), nothing.values);
      const OnDevice<std::uint16_t> halves(device(), values);
      const Rows y(70, 96, 96, 10);
      const OnDevice<float> once(device(), y.values), again(device(), y.values);
      const DeviceProduct of_floats{&matrix, nullptr, once.data(), 96, false},
          of_halves{&matrix, nullptr, again.data(), 96, false};
      device().multiply({on_x.data(), inputs, 70, inputs}, {&of_floats, 1}, DevicePrecision::kHalf);
      device().multiply({unwritten.data(), inputs, 70, inputs, {type, halves.data(), stride}},
                        {&of_halves, 1}, DevicePrecision::kHalf);
      const std::vector<float> expected = once.download(), actual = again.download();
      double error = 0, size = 0;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        error += std::pow(double{actual[i]} - double{expected[i]}, 2),
            size += std::pow(double{expected[i]}, 2);
      }
      // The same bits, but where the first was computed with the floats.
      EXPECT_LE(std::sqrt(error / size), inputs % 8 == 0 ? 0.0 : 0.01) << name_of(type) << " " << inputs;
      device().release_matrix(matrix);
    }
  }
}

// As one product or as several, beside each other in memory: the same bits.
TEST_P(HalfRows, PartsOfAMatrixGiveWhatItGives) {
  constexpr std::int64_t kInputs = 512, kOutputs[] = {128, 64, 256}, kAll = 448;
  for (const DType type : {DType::kF16, DType::kF32, DType::kQ8_0, DType::kQ4_0, DType::kQ4_K}) {
    const HostWeights weights(type, kAll, kInputs, 11);
    DeviceMatrix matrix = weights.to(device());
    for (const DevicePrecision precision : precisions()) {
      for (const std::int64_t rows : {1, 7, 100}) {
        const Rows x(rows, kInputs, kInputs, 12), y(rows, kAll, kAll + 16, 13);
        const OnDevice<float> on_x(device(), x.values), whole(device(), y.values),
            by_part(device(), y.values);
        const DeviceProduct one{&matrix, nullptr, whole.data(), y.stride, false};
        device().multiply({on_x.data(), kInputs, rows, kInputs}, {&one, 1}, precision);
        std::vector<DeviceMatrix> parts;
        std::vector<DeviceProduct> products;
        for (std::int64_t first = 0; const std::int64_t outputs : kOutputs) {
          parts.push_back(device().part_of(matrix, first, outputs));
          ASSERT_TRUE(parts.back().present()) << name_of(type) << " " << first;
          first += outputs;
        }
        for (std::int64_t first = 0, p = 0; const std::int64_t outputs : kOutputs) {
          products.push_back(
              {&parts[static_cast<std::size_t>(p++)], nullptr, by_part.data() + first, y.stride, false});
          first += outputs;
        }
        device().multiply({on_x.data(), kInputs, rows, kInputs}, products, precision);
        const Rows expected = y.read(whole), actual = y.read(by_part);
        for (std::int64_t r = 0; r < rows; ++r) {
          EXPECT_TRUE(testing::same_bits(actual.row(r), expected.row(r), kAll))
              << name_of(type) << " " << testing::name_of(precision) << " row " << r << " of " << rows;
        }
      }
    }
    device().release_matrix(matrix);
  }
}

REFOCUS_EVERY_DEVICE(HalfRows);

}  // namespace
}  // namespace refocus
