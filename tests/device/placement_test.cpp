// place(): rotation, and the layout of the cache.
#include "device_support.h"
#include "tensor/block_formats.h"
#include "tensor/half.h"

namespace refocus {
namespace {

using testing::OnDevice;
using testing::Rows;

class Placement : public testing::EveryDevice {
 protected:
  struct Case {
    std::int64_t rows, heads, kv_heads, head_dim, rotary;  // rotary 0: no rotation
    DType type;
    bool cached = true;
    std::int64_t gap = 0;
  };
  void check(const Case& c);
  // What place() leaves of the overflow flag where one key and one value are as given.
  std::int32_t overflow_after(DType type, float key, float value);
};

// x rotated by the formula of Su et al. 2021, and what rounding may make of it.
void expect_rotated(const Rows& before, const Rows& after, std::int64_t heads, std::int64_t head_dim,
                    std::int64_t rotary, const Rows& cosines, const Rows& sines) {
  for (std::int64_t r = 0; r < before.rows; ++r) {
    for (std::int64_t i = 0; i < heads * head_dim; ++i) {
      const std::int64_t d = i % head_dim, half = rotary / 2;
      if (d >= 2 * half) {
        ASSERT_EQ(after.row(r)[i], before.row(r)[i]) << "row " << r << ", element " << i;
        continue;
      }
      const std::int64_t pair = d < half ? i + half : i - half;
      const double own = double{before.row(r)[i]} * cosines.row(r)[d % half];
      const double other = (d < half ? -1.0 : 1.0) * before.row(r)[pair] * sines.row(r)[d % half];
      ASSERT_NEAR(after.row(r)[i], own + other, 2 * testing::kRoundoff * (std::abs(own) + std::abs(other)))
          << "row " << r << ", element " << i;
    }
  }
}

// A cache of blocks with two layers, of which the second is used; rows of one sequence from position 29 on.
struct Cache {
  static constexpr std::int64_t kFirst = 29;
  std::int64_t layer_bytes, block_bytes;
  std::vector<std::byte> bytes;
  OnDevice<std::byte> on_device;
  std::vector<std::byte*> row_blocks;
  std::vector<std::int32_t> positions;

  Cache(Device& device, std::int64_t rows, std::int64_t kv_heads, std::int64_t head_dim, DType type)
      : layer_bytes(kv_heads * static_cast<std::int64_t>(bytes_of(type, kv_head_elements(head_dim)))),
        block_bytes(2 * layer_bytes),
        bytes(static_cast<std::size_t>((kFirst + rows + 31) / 32 * block_bytes), std::byte{0xFF}),
        on_device(device, bytes) {
    const std::int64_t blocks = static_cast<std::int64_t>(bytes.size()) / block_bytes;
    for (std::int64_t r = 0; r < rows; ++r) {
      positions.push_back(static_cast<std::int32_t>(kFirst + r));
      row_blocks.push_back(on_device.data() + (blocks - 1 - (kFirst + r) / 32) * block_bytes);
    }
  }
  // Writes a row's key or value where device.h has it.
  void store(std::int64_t r, std::int64_t head, std::int64_t head_dim, DType type, bool value,
             const float* from) {
    const std::int64_t element = head * kv_head_elements(head_dim) +
                                 (value ? kDeviceKeyBlock * head_dim : 0) +
                                 positions[r] % kDeviceKeyBlock * head_dim;
    std::byte* to = bytes.data() + (row_blocks[r] - on_device.data()) + layer_bytes +
                    element * static_cast<std::int64_t>(size_of(type));
    quantize_row(type, from, to, head_dim);
  }
};

void Placement::check(const Case& c) {
  const std::int64_t q_size = c.heads * c.head_dim, kv_size = c.kv_heads * c.head_dim;
  const Rows q(c.rows, q_size, q_size + c.gap, 1), k(c.rows, kv_size, kv_size + c.gap, 2),
      v(c.rows, kv_size, kv_size + c.gap, 3);
  const std::int64_t half = std::max<std::int64_t>(c.rotary / 2, 1);
  Rows cosines(c.rows, half, half, 4, 5), sines = cosines;
  for (float& angle : cosines.values) angle = std::cos(angle);
  for (float& angle : sines.values) angle = std::sin(angle);
  Cache cache(device(), c.rows, c.kv_heads, c.head_dim, c.type);
  const OnDevice<float> on_q(device(), q.values), on_k(device(), k.values), on_v(device(), v.values),
      on_cosines(device(), cosines.values), on_sines(device(), sines.values);
  const OnDevice<std::byte*> blocks(device(), cache.row_blocks);
  const OnDevice<std::int32_t> positions(device(), cache.positions), overflow(device(), {0});
  DevicePlacement p{on_q.data(), on_k.data(), on_v.data(), q.stride,  k.stride,
                    c.rows,      c.heads,     c.kv_heads,  c.head_dim};
  if (c.rotary > 0) p.cosines = on_cosines.data(), p.sines = on_sines.data(), p.rotary = c.rotary;
  if (c.cached) p.blocks = blocks.data(), p.offset = cache.layer_bytes, p.positions = positions.data();
  p.type = c.type;
  p.overflow = overflow.data();
  device().place(p);
  const Rows new_q = q.read(on_q), new_k = k.read(on_k), new_v = v.read(on_v);
  expect_rotated(q, new_q, c.heads, c.head_dim, c.rotary, cosines, sines);
  expect_rotated(k, new_k, c.kv_heads, c.head_dim, c.rotary, cosines, sines);
  for (std::int64_t r = 0; r < c.rows; ++r) {
    ASSERT_TRUE(testing::same_bits(new_v.row(r), v.row(r), kv_size));
    for (std::int64_t h = 0; h < c.kv_heads && c.cached; ++h) {
      cache.store(r, h, c.head_dim, c.type, false, new_k.row(r) + h * c.head_dim);
      cache.store(r, h, c.head_dim, c.type, true, v.row(r) + h * c.head_dim);
    }
  }
  EXPECT_EQ(cache.on_device.download() == cache.bytes, true)
      << name_of(c.type) << " head_dim " << c.head_dim << ", " << c.rows << " rows";
  EXPECT_EQ(overflow.download()[0], 0);
}

TEST_P(Placement, RotatesAndStores) {
  for (const DType type : {DType::kF16, DType::kF32}) {
    for (const std::int64_t head_dim : {16, 64, 80, 96, 128, 256}) {
      for (const std::int64_t rows : {1, 3, 4, 5, 17, 100}) check({rows, 4, 2, head_dim, head_dim, type});
    }
  }
}

TEST_P(Placement, RotatesAPart) {
  for (const DType type : {DType::kF16, DType::kF32}) {
    check({5, 6, 2, 64, 32, type});
    check({5, 4, 4, 80, 32, type, true, 16});
    check({5, 4, 1, 96, 24, type});
  }
}

TEST_P(Placement, RotatesOrStoresAlone) {
  for (const DType type : {DType::kF16, DType::kF32}) {
    check({40, 4, 2, 64, 0, type, true, 16});
    check({40, 4, 2, 64, 64, type, false, 16});
  }
}

TEST_P(Placement, TakesOddSizesAndStrides) {
  for (const DType type : {DType::kF16, DType::kF32}) {
    for (const std::int64_t head_dim : {2, 6, 12, 20, 34}) {
      check({7, 3, 3, head_dim, head_dim, type, true, 1});
      check({7, 3, 1, head_dim, 0, type, true, 3});
    }
    check({7, 3, 1, 20, 10, type, true, 3});
    check({7, 2, 1, 15, 0, type, true, 1});
  }
}

std::int32_t Placement::overflow_after(DType type, float key, float value) {
  Cache cache(device(), 40, 2, 16, type);
  Rows q(40, 32, 32, 1), k(40, 32, 32, 2), v(40, 32, 32, 3);
  k.row(38)[31] = key;
  v.row(7)[16] = value;
  const OnDevice<float> on_q(device(), q.values), on_k(device(), k.values), on_v(device(), v.values);
  const OnDevice<std::byte*> blocks(device(), cache.row_blocks);
  const OnDevice<std::int32_t> positions(device(), cache.positions), overflow(device(), {0});
  DevicePlacement p{on_q.data(), on_k.data(), on_v.data(), 32, 32, 40, 2, 2, 16};
  p.blocks = blocks.data();
  p.offset = cache.layer_bytes;
  p.positions = positions.data();
  p.type = type;
  p.overflow = overflow.data();
  device().place(p);
  const std::vector<std::byte> bytes = cache.on_device.download();
  if (type == DType::kF16) {  // what F16 makes of it is stored all the same
    std::uint16_t stored;
    std::memcpy(&stored,
                &bytes[(cache.row_blocks[7] - cache.on_device.data()) + cache.layer_bytes +
                       2 * (kv_head_elements(16) + 32 * 16 + cache.positions[7] % 32 * 16)],
                2);
    EXPECT_TRUE(std::isnan(value) ? (stored & 0x7FFF) > 0x7C00 : stored == f32_to_f16(value)) << value;
  }
  return overflow.download()[0];
}

TEST_P(Placement, SaysWhatIsTooLargeForF16) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float fits : {1.0f, 65504.0f, -65519.996f, kInfinity, -kInfinity, testing::kNotANumber}) {
    EXPECT_EQ(overflow_after(DType::kF16, fits, 1), 0) << fits;
    EXPECT_EQ(overflow_after(DType::kF16, 1, fits), 0) << fits;
  }
  for (const float large : {65520.0f, -65520.0f, 1e30f}) {
    EXPECT_EQ(overflow_after(DType::kF16, large, 1), 1) << large;
    EXPECT_EQ(overflow_after(DType::kF16, 1, large), 1) << large;
    EXPECT_EQ(overflow_after(DType::kF32, large, large), 0) << large;
  }
}

REFOCUS_EVERY_DEVICE(Placement);

}  // namespace
}  // namespace refocus
