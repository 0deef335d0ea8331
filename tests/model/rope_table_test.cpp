#include "model/rope_table.h"

#include <gtest/gtest.h>

#include <cmath>

namespace refocus {
namespace {

ModelConfig config_with(RopeScaling::Kind kind) {
  ModelConfig config;
  config.head_dim = 64;
  config.rope.theta = 500000;
  config.max_position_embeddings = 131072;
  config.rope.scaling.kind = kind;
  config.rope.scaling.factor = 8;
  return config;
}

struct Angles {
  std::vector<float> cosines = std::vector<float>(32), sines = std::vector<float>(32);
};

Angles angles_at(RopeTable table, std::int64_t position) {
  Angles out;
  table.fill(position, position + 1, out.cosines.data(), out.sines.data());
  return out;
}

TEST(RopeTable, FactorsDivideFrequencies) {
  const ModelConfig config = config_with(RopeScaling::Kind::kNone);
  const std::vector<float> factors(32, 4.0f);
  EXPECT_EQ(angles_at(RopeTable(config, factors), 4000).sines, angles_at(RopeTable(config), 1000).sines);
}

TEST(RopeTable, Llama3FactorsAreItsScaling) {
  const ModelConfig scaled = config_with(RopeScaling::Kind::kLlama3);
  const ModelConfig plain = config_with(RopeScaling::Kind::kNone);
  const std::vector<float> factors = llama3_frequency_factors(scaled);
  ASSERT_EQ(factors.size(), 32u);
  EXPECT_TRUE(llama3_frequency_factors(plain).empty());
  EXPECT_EQ(factors.front(), 1.0f);
  EXPECT_EQ(factors.back(), 8.0f);
  bool blended = false;
  for (const float factor : factors) blended = blended || (factor > 1 && factor < 8);
  EXPECT_TRUE(blended);
  for (const std::int64_t position : {0, 1, 100, 20000}) {
    const Angles wanted = angles_at(RopeTable(scaled), position);
    const Angles got = angles_at(RopeTable(plain, factors), position);
    for (std::size_t i = 0; i < 32; ++i) {
      // The factors are float32: an angle is off by at most position * 2^-24 of itself.
      EXPECT_NEAR(got.cosines[i], wanted.cosines[i], 1e-6 + static_cast<double>(position) * 0x1p-23);
      EXPECT_NEAR(got.sines[i], wanted.sines[i], 1e-6 + static_cast<double>(position) * 0x1p-23);
    }
  }
}

}  // namespace
}  // namespace refocus
