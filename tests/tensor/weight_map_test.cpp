#include "tensor/weight_map.h"

#include "support.h"

namespace refocus {
namespace {

TEST(WeightMap, KeepsItsBytesAliveAndRefusesDuplicates) {
  auto bytes = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4});
  const std::weak_ptr<std::vector<float>> watch = bytes;
  WeightMap map;
  const TensorView view{reinterpret_cast<const std::byte*>(bytes->data()), DType::kF32, {2, 2}};
  map.insert("a", view, "first", bytes);
  bytes.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(to_f32(map.find("a")->view), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(map.find("b"), nullptr);
  EXPECT_EQ(map.total_bytes(), 16);
  EXPECT_EQ(testing::error_of([&] { map.insert("a", view, "second", nullptr); }),
            "[second] tensor a is also in first; keep one of the two files");
}

}  // namespace
}  // namespace refocus
