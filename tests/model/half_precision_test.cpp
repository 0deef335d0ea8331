// Engines on a device with activations in half precision: how near they are to float32, and that they choose
// the same tokens. On the processor, where there are none, nothing is tested.
#include <cmath>

#include "kernels/argmax.h"
#include "model/engine.h"

namespace refocus {
namespace {

using testing::Engine;
using testing::GoldenCase;

class HalfPrecision : public ::testing::TestWithParam<GoldenCase> {
 protected:
  static Engine open(DType kv_type, Activations activations) {
    return {
        GetParam().model_dir, testing::golden_config(testing::golden_engine(), GetParam()), 2, 512, kv_type,
        activations};
  }
  static std::vector<float> logits_of(Engine& engine, std::int64_t chunk) {
    std::vector<float> out;
    KvSequence sequence(*engine.cache);
    testing::run_call(engine, sequence, GetParam().tokens, engine.intervention(GetParam().intervention),
                      chunk, out);
    return out;
  }
};

// Each product rounds its activations to 11 bits (8 for weights of BF16), a relative error of a dot product
// of about 2^-12 (2^-9) of the size of its terms; the logits of the golden models add up some ten of these.
TEST_P(HalfPrecision, IsNearFloat32) {
  if (!testing::test_device()) GTEST_SKIP() << "half precision is a device's alone";
  Engine exact = open(DType::kF32, Activations::kF32), half = open(DType::kF16, Activations::kF16);
  const std::vector<float> expected = logits_of(exact, 512), actual = logits_of(half, 512);
  ASSERT_EQ(actual.size(), expected.size());
  double error = 0, size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    error += std::pow(double{actual[i]} - double{expected[i]}, 2);
    size += std::pow(double{expected[i]}, 2);
  }
  EXPECT_LT(std::sqrt(error / size), GetParam().intervention == "none" ? 3e-3 : 2e-2);
}

// Where the two likeliest tokens are not as near each other as the roundings, which the golden ones are not.
TEST_P(HalfPrecision, ChoosesTheTokensOfTheSpecification) {
  if (!testing::test_device()) GTEST_SKIP() << "half precision is a device's alone";
  Engine engine = open(DType::kF16, Activations::kF16);
  const Intervention intervention = engine.intervention(GetParam().intervention);
  KvSequence sequence(*engine.cache);
  std::vector<std::int32_t> next(GetParam().tokens);
  const std::int64_t vocab = engine.model->config().vocab_size;
  for (const std::int32_t expected : GetParam().greedy) {
    std::vector<float> logits;
    testing::run_call(engine, sequence, next, intervention, 512, logits);
    next = {static_cast<std::int32_t>(
        argmax(logits.data() + logits.size() - static_cast<std::size_t>(vocab), vocab))};
    ASSERT_EQ(next[0], expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, HalfPrecision,
                         ::testing::ValuesIn(testing::load_golden_cases(testing::golden_engine())),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace refocus
