#include "device_support.h"
#include "support.h"
#include "tensor/block_formats.h"

namespace refocus {
namespace {

using testing::OnDevice;

class DeviceMemory : public testing::EveryDevice {};

TEST_P(DeviceMemory, HasANameAndRoom) {
  const DeviceFacts facts = device().facts();
  EXPECT_FALSE(facts.name.empty());
  EXPECT_EQ(facts.runtime.empty(), is_reference());
  EXPECT_GT(facts.free_bytes, 0);
  EXPECT_GE(facts.memory_bytes, facts.free_bytes);
}

TEST_P(DeviceMemory, IsAlignedAndReleased) {
  std::vector<void*> all;
  for (const std::size_t bytes : {1, 3, 255, 256, 257, 1000003}) {
    all.push_back(device().allocate(bytes));
    ASSERT_NE(all.back(), nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(all.back()) % 256, 0U) << bytes;
  }
  for (void* memory : all) device().release(memory);
  device().release(nullptr);
  void* host = device().allocate_host(100);
  std::memset(host, 1, 100);
  device().release_host(host);
}

TEST_P(DeviceMemory, SaysWhereThereIsNoRoom) {
  const std::string error = testing::error_of(
      [&] { device().allocate(2 * static_cast<std::size_t>(device().facts().memory_bytes)); });
  EXPECT_NE(error.find("device"), std::string::npos) << error;
  // And goes on working.
  const OnDevice<float> x(device(), {1, 2, 3});
  EXPECT_EQ(x.download(), (std::vector<float>{1, 2, 3}));
}

TEST_P(DeviceMemory, CopiesInTheOrderOfCalls) {
  std::vector<std::int32_t> values(100003);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int32_t>(i * 7919);
  const std::vector<std::int32_t> before = values;
  OnDevice<std::int32_t> a(device(), values), b(device(), std::vector<std::int32_t>(values.size(), -1));
  std::ranges::fill(values, 0);  // upload() has taken what was there
  device().copy(b.data() + 5, a.data() + 3, 1001 * 4);
  device().clear(a.data() + 10, 7 * 4);
  std::vector<std::int32_t> expected_a = before, expected_b(before.size(), -1);
  std::copy_n(before.begin() + 3, 1001, expected_b.begin() + 5);
  std::fill_n(expected_a.begin() + 10, 7, 0);
  EXPECT_EQ(a.download(), expected_a);
  EXPECT_EQ(b.download(), expected_b);
  device().upload(a.data() + 1, before.data(), 4);
  device().copy(b.data(), a.data() + 1, 4);
  device().wait();
  EXPECT_EQ(b.download()[0], before[0]);
}

TEST_P(DeviceMemory, UploadsFromHostMemoryThatChangesAtOnce) {
  constexpr std::size_t kCount = 50000;
  auto* host = static_cast<float*>(device().allocate_host(kCount * sizeof(float)));
  OnDevice<float> x(device(), std::vector<float>(kCount * 4));
  for (std::size_t part = 0; part < 4; ++part) {
    std::fill_n(host, kCount, static_cast<float>(part + 1));
    device().upload(x.data() + part * kCount, host, kCount * sizeof(float));
  }
  std::vector<float> expected;
  for (std::size_t part = 0; part < 4; ++part) expected.insert(expected.end(), kCount, part + 1.0f);
  EXPECT_EQ(x.download(), expected);
  device().download(host, x.data() + 3 * kCount, kCount * sizeof(float));
  EXPECT_EQ(host[kCount - 1], 4);
  device().release_host(host);
}

TEST_P(DeviceMemory, KeepsTheTypesThatTheInterfaceNames) {
  for (const DType type : kDTypes) {
    const bool named = type == DType::kF32 || type == DType::kF16 || type == DType::kBF16 ||
                       type == DType::kQ8_0 || type == DType::kQ4_0 || type == DType::kQ4_K;
    EXPECT_EQ(device().keeps(type), named) << name_of(type);
  }
}

TEST_P(DeviceMemory, AMatrixIsAbsentAfterItsRelease) {
  const std::vector<float> row(32, 1.0f);
  DeviceMatrix matrix;
  EXPECT_FALSE(matrix.present());
  std::vector<std::int64_t> asked;
  matrix = device().make_matrix(DType::kF32, 3, 32, [&](std::int64_t r) {
    asked.push_back(r);
    return reinterpret_cast<const std::byte*>(row.data());
  });
  EXPECT_TRUE(matrix.present());
  EXPECT_EQ(matrix.outputs, 3);
  EXPECT_EQ(matrix.inputs, 32);
  std::ranges::sort(asked);
  asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
  EXPECT_EQ(asked, (std::vector<std::int64_t>{0, 1, 2}));
  device().release_matrix(matrix);
  EXPECT_FALSE(matrix.present());
}

REFOCUS_EVERY_DEVICE(DeviceMemory);

}  // namespace
}  // namespace refocus
