#include "tensor/block_formats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tensor/half.h"
#include "tensor/tensor_view.h"

namespace refocus {
namespace {

// Those that are written as well as read.
constexpr DType kBlockTypes[] = {DType::kQ8_0, DType::kQ4_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

std::vector<std::byte> quantized(DType type, const std::vector<float>& values) {
  const auto count = static_cast<std::int64_t>(values.size());
  std::vector<std::byte> bytes(bytes_of(type, count));
  quantize_row(type, values.data(), bytes.data(), count);
  return bytes;
}

std::vector<float> dequantized(DType type, const std::vector<std::byte>& bytes, std::size_t count) {
  std::vector<float> values(count);
  dequantize_row(type, bytes.data(), values.data(), static_cast<std::int64_t>(count));
  return values;
}

std::vector<float> round_trip(DType type, const std::vector<float>& values) {
  return dequantized(type, quantized(type, values), values.size());
}

template <class Block>
std::vector<float> values_of(const Block& block, DType type) {
  std::vector<float> values(static_cast<std::size_t>(block_elements(type)));
  dequantize_row(type, reinterpret_cast<const std::byte*>(&block), values.data(), block_elements(type));
  return values;
}

std::vector<float> gaussian(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

double relative_rms(const std::vector<float>& wanted, const std::vector<float>& got) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    error += std::pow(static_cast<double>(wanted[i]) - got[i], 2);
    power += std::pow(static_cast<double>(wanted[i]), 2);
  }
  return std::sqrt(error / power);
}

TEST(BlockFormats, SizesOfRows) {
  EXPECT_EQ(bytes_of(DType::kF32, 3), 12u);
  EXPECT_EQ(bytes_of(DType::kQ8_0, 64), 68u);
  EXPECT_EQ(bytes_of(DType::kQ4_0, 64), 36u);
  EXPECT_EQ(bytes_of(DType::kQ4_K, 512), 288u);
  EXPECT_EQ(bytes_of(DType::kQ5_K, 512), 352u);
  EXPECT_EQ(bytes_of(DType::kQ6_K, 512), 420u);
  EXPECT_EQ(bytes_of(DType::kNVFP4, 128), 72u);
  EXPECT_EQ(bytes_of(DType::kF64, 3), 24u);
  EXPECT_EQ((TensorView{nullptr, DType::kQ4_0, {5, 64}}.bytes()), 180u);
  EXPECT_DEATH(size_of(DType::kQ8_0), "is_block_type");
  EXPECT_DEATH(bytes_of(DType::kQ8_0, 33), "block_elements");
}

TEST(BlockFormats, HandMadeQ8_0) {
  BlockQ8_0 block{};
  block.d = f32_to_f16(0.5f);
  for (int i = 0; i < 32; ++i) block.qs[i] = static_cast<std::int8_t>(i * 8 - 128);
  const auto values = values_of(block, DType::kQ8_0);
  for (int i = 0; i < 32; ++i)
    EXPECT_EQ(values[static_cast<std::size_t>(i)], 4.0f * static_cast<float>(i) - 64);
}

TEST(BlockFormats, HandMadeQ4_0) {
  BlockQ4_0 block{};
  block.d = f32_to_f16(-2);
  for (int i = 0; i < 16; ++i) block.qs[i] = static_cast<std::uint8_t>(i | ((15 - i) << 4));
  const auto values = values_of(block, DType::kQ4_0);
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(values[static_cast<std::size_t>(i)], -2.0f * static_cast<float>(i - 8));
    EXPECT_EQ(values[static_cast<std::size_t>(i + 16)], -2.0f * static_cast<float>(7 - i));
  }
}

// The scales in memory, worked out by hand from the format: sub-blocks 0 and 5 only.
TEST(BlockFormats, HandMadeQ4_K) {
  BlockQ4_K block{};
  block.d = f32_to_f16(0.25f);
  block.dmin = f32_to_f16(0.5f);
  block.scales[0] = 33;          // scale of sub-block 0
  block.scales[4] = 7;           // min of sub-block 0
  block.scales[9] = 0x5 | 0xA0;  // sub-block 5: low bits of the scale, low bits of the min
  block.scales[1] = 0xC0;        // sub-block 5: the scale's upper bits: 3 * 16 + 5 = 53
  block.scales[5] = 0x80;        // sub-block 5: the min's upper bits: 2 * 16 + 10 = 42
  block.qs[3] = 0x0B;            // element 3 of sub-block 0
  block.qs[64 + 31] = 0x90;      // element 31 of sub-block 5
  const auto values = values_of(block, DType::kQ4_K);
  EXPECT_EQ(values[3], 0.25f * 33 * 11 - 0.5f * 7);
  EXPECT_EQ(values[0], -0.5f * 7);
  EXPECT_EQ(values[32 * 5 + 31], 0.25f * 53 * 9 - 0.5f * 42);
  EXPECT_EQ(values[32 * 5], -0.5f * 42);
  EXPECT_EQ(values[32], 0.0f);
}

TEST(BlockFormats, HandMadeQ5_K) {
  BlockQ5_K block{};
  block.d = f32_to_f16(1);
  block.scales[2] = 2;      // scale of sub-block 2
  block.scales[11] = 3;     // scale of sub-block 7
  block.qs[32 + 1] = 0x04;  // element 1 of sub-block 2
  block.qh[1] = 1 << 2;
  block.qs[96 + 30] = 0xF0;  // element 30 of sub-block 7
  block.qh[30] = 1 << 7;
  const auto values = values_of(block, DType::kQ5_K);
  EXPECT_EQ(values[64 + 1], 2.0f * 20);
  EXPECT_EQ(values[64 + 30], 0.0f);
  EXPECT_EQ(values[224 + 30], 3.0f * 31);
}

TEST(BlockFormats, HandMadeQ6_K) {
  BlockQ6_K block{};
  block.d = f32_to_f16(0.5f);
  for (int s = 0; s < 16; ++s) block.scales[s] = static_cast<std::int8_t>(s - 8);
  block.ql[5] = 0x3A;             // elements 5 (low) and 69 (high) of the first half
  block.qh[5] = 0x02 | 0x10;      // upper bits: 2 for element 5, 1 for element 69
  block.ql[64 + 32 + 17] = 0x0F;  // element 128 + 32 + 17
  block.qh[32 + 17] = 0x0C;       // upper bits 3
  const auto values = values_of(block, DType::kQ6_K);
  EXPECT_EQ(values[5], 0.5f * -8 * (0x2A - 32));
  EXPECT_EQ(values[69], 0.5f * -4 * (0x13 - 32));
  EXPECT_EQ(values[128 + 49], 0.5f * 3 * (0x3F - 32));
  EXPECT_EQ(values[1], 0.5f * -8 * -32);
}

TEST(BlockFormats, ScalesAndMinsPackBothWays) {
  for (int shift = 0; shift < 64; ++shift) {
    std::uint8_t scales[8], mins[8], packed[12], scales_back[8], mins_back[8];
    for (int s = 0; s < 8; ++s) {
      scales[s] = static_cast<std::uint8_t>((shift + 11 * s) & 63);
      mins[s] = static_cast<std::uint8_t>((5 * shift + 23 * s + 1) & 63);
    }
    pack_scales_and_mins(scales, mins, packed);
    unpack_scales_and_mins(packed, scales_back, mins_back);
    EXPECT_EQ(0, std::memcmp(scales, scales_back, 8));
    EXPECT_EQ(0, std::memcmp(mins, mins_back, 8));
  }
}

// What is read is written back to the same bytes where the values lie on the format's own grid.
TEST(BlockFormats, Q8_0GridIsExact) {
  std::vector<float> values(32);
  for (int i = 0; i < 32; ++i) values[static_cast<std::size_t>(i)] = 0.125f * static_cast<float>(i * 8 - 121);
  values[31] = 0.125f * 127;
  EXPECT_EQ(round_trip(DType::kQ8_0, values), values);
}

TEST(BlockFormats, Q4_0KeepsTheLargestAndItsSign) {
  for (const float sign : {1.0f, -1.0f}) {
    std::vector<float> values(32, 0.0f);
    for (int i = 0; i < 16; ++i) values[static_cast<std::size_t>(i)] = sign * static_cast<float>(i - 8);
    EXPECT_EQ(round_trip(DType::kQ4_0, values), values);
  }
}

// Half a step of each format's grid, plus what rounding the scale to a half float adds.
TEST(BlockFormats, ErrorsStayWithinHalfAStep) {
  const auto values = gaussian(256 * 64, 1);
  const auto q8 = round_trip(DType::kQ8_0, values), q4 = round_trip(DType::kQ4_0, values);
  for (std::size_t b = 0; b < values.size(); b += 32) {
    float largest = 0;
    for (std::size_t i = b; i < b + 32; ++i) largest = std::max(largest, std::abs(values[i]));
    for (std::size_t i = b; i < b + 32; ++i) {
      ASSERT_LE(std::abs(q8[i] - values[i]), largest / 127 * 0.5f + largest * 0x1p-11f);
      // A value opposite to the largest one may be clamped at 7 of 8 steps.
      ASSERT_LE(std::abs(q4[i] - values[i]), largest / 8 * 1.0f + largest * 0x1p-11f);
    }
  }
}

TEST(BlockFormats, GaussianErrors) {
  const auto values = gaussian(256 * 200, 2);
  const double q8 = relative_rms(values, round_trip(DType::kQ8_0, values));
  const double q6 = relative_rms(values, round_trip(DType::kQ6_K, values));
  const double q5 = relative_rms(values, round_trip(DType::kQ5_K, values));
  const double q4k = relative_rms(values, round_trip(DType::kQ4_K, values));
  const double q4 = relative_rms(values, round_trip(DType::kQ4_0, values));
  EXPECT_LT(q8, 0.0056);
  EXPECT_LT(q6, 0.020);
  EXPECT_LT(q5, 0.037);
  EXPECT_LT(q4k, 0.075);
  EXPECT_LT(q4, 0.092);
  EXPECT_LT(q8, q6);
  EXPECT_LT(q6, q5);
  EXPECT_LT(q5, q4k);
  EXPECT_LT(q4k, q4);
}

// A block on Q4_K's own grid, with mins, comes back almost exactly: the search finds it.
TEST(BlockFormats, KTypesFindAGridWithAnOffset) {
  std::mt19937 random(3);
  std::vector<float> values(256);
  for (int s = 0; s < 8; ++s) {
    for (int i = 0; i < 32; ++i) {
      const int q = i < 2 ? i * 15 : static_cast<int>(random() % 16);
      values[static_cast<std::size_t>(32 * s + i)] =
          static_cast<float>(s + 56) / 64 * static_cast<float>(q) - 4;
    }
  }
  EXPECT_LT(relative_rms(values, round_trip(DType::kQ4_K, values)), 0.01);
  EXPECT_LT(relative_rms(values, round_trip(DType::kQ5_K, values)), 0.01);
}

TEST(BlockFormats, ZerosAndConstants) {
  for (const DType type : kBlockTypes) {
    const std::vector<float> zeros(256, 0.0f);
    EXPECT_EQ(round_trip(type, zeros), zeros) << name_of(type);
    for (const float constant : {3.0f, -3.0f}) {
      const std::vector<float> same(256, constant);
      EXPECT_LT(relative_rms(same, round_trip(type, same)), 0.035) << name_of(type) << " " << constant;
    }
  }
}

TEST(BlockFormats, ExtremeValuesStayFinite) {
  for (const DType type : kBlockTypes) {
    for (const float scale : {1e-45f, 1e-38f, 1e-10f, 1e-6f, 1e4f, 4e5f}) {
      auto values = gaussian(256, 4);
      for (float& value : values) value = std::clamp(value, -1.25f, 1.25f) * scale;
      const auto bytes = quantized(type, values);
      EXPECT_EQ(first_non_finite(type, bytes.data(), 256), -1);
      const auto back = dequantized(type, bytes, 256);
      for (std::size_t i = 0; i < 256; ++i) {
        // Below the smallest half float times the step, a value becomes 0.
        ASSERT_LE(std::abs(back[i] - values[i]), 0.2f * scale + 1e-5f) << name_of(type) << " " << scale;
      }
    }
    // One huge value among tiny ones.
    std::vector<float> spike(256, 1e-3f);
    spike[77] = -1e5f;
    EXPECT_NEAR(round_trip(type, spike)[77], -1e5f, 2.5e3f) << name_of(type);
  }
}

TEST(BlockFormats, RefusesWhatTheTypeCannotHold) {
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              infinity = std::numeric_limits<float>::infinity();
  for (const DType type : kDTypes) {
    if (!is_written(type)) continue;
    for (const float bad : {nan, infinity, -infinity}) {
      std::vector<float> values(512, 1.0f);
      values[300] = bad;
      try {
        quantized(type, values);
        ADD_FAILURE() << name_of(type) << " took " << bad;
      } catch (const QuantizeError& e) {
        EXPECT_EQ(e.index, 300);
        EXPECT_NE(std::string(e.what()).find(name_of(type)), std::string::npos);
      }
    }
    if (type == DType::kF32 || type == DType::kBF16) continue;
    std::vector<float> values(512, 1.0f);
    values[300] = 3e38f;
    EXPECT_THROW(quantized(type, values), QuantizeError) << name_of(type);
    values[300] = -3e38f;
    EXPECT_THROW(quantized(type, values), QuantizeError) << name_of(type);
  }
}

TEST(BlockFormats, FindsNonFiniteScales) {
  for (const DType type : kBlockTypes) {
    auto bytes = quantized(type, gaussian(512, 5));
    EXPECT_EQ(first_non_finite(type, bytes.data(), 512), -1);
    const std::uint16_t infinity = 0x7C00;
    const std::size_t at = type == DType::kQ6_K ? 2 * block_bytes(type) - 2 : bytes_of(type, 256);
    std::memcpy(bytes.data() + at, &infinity, 2);
    EXPECT_GE(first_non_finite(type, bytes.data(), 512), 256);
  }
}

TEST(BlockFormats, AnyAlignment) {
  for (const DType type : kDTypes) {
    if (!is_written(type)) continue;
    const auto values = gaussian(256, 6);
    const auto bytes = quantized(type, values);
    std::vector<std::byte> shifted(bytes.size() + 1);
    std::memcpy(shifted.data() + 1, bytes.data(), bytes.size());
    const TensorView view{shifted.data() + 1, type, {1, 256}};
    EXPECT_EQ(to_f32(view), dequantized(type, bytes, 256));
    std::vector<std::byte> again(bytes.size() + 1);
    quantize_row(type, values.data(), again.data() + 1, 256);
    EXPECT_EQ(again, shifted);
  }
}

// Numbers of F64 round to the nearest float32; one beyond its range is found.
TEST(BlockFormats, F64IsReadAsFloat32) {
  const std::vector<double> stored = {1 + 1e-9, -0.1, 1e-50, 1e300};
  const auto* bytes = reinterpret_cast<const std::byte*>(stored.data());
  EXPECT_EQ(to_f32({bytes, DType::kF64, {3}}), (std::vector<float>{1, -0.1f, 0}));
  EXPECT_EQ(first_non_finite(DType::kF64, bytes, 3), -1);
  EXPECT_EQ(first_non_finite(DType::kF64, bytes, 4), 3);
}

// Every element is within the scaled-integer form, which has a scale for each 16.
TEST(BlockFormats, ScaledIntegersAreTheElements) {
  std::mt19937 random(8);
  for (const DType type : kDTypes) {
    if (!has_scaled_ints(type)) continue;
    for (int trial = 0; trial < 100; ++trial) {
      std::vector<std::byte> block(block_bytes(type));
      for (std::byte& b : block) b = static_cast<std::byte>(random() & 0xB7);  // no NaN as a half float
      ScaledInts ints;
      scaled_ints(type, block.data(), ints);
      const auto values = dequantized(type, block, static_cast<std::size_t>(block_elements(type)));
      for (std::size_t e = 0; e < values.size(); ++e) {
        ASSERT_EQ(values[e], ints.scales[e / 16] * static_cast<float>(ints.q[e])) << name_of(type);
        ASSERT_LE(std::abs(int{ints.q[e]}), 62) << name_of(type);
      }
    }
  }
}

}  // namespace
}  // namespace refocus
