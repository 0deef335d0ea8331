#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/argmax.h"
#include "kernels/distribution.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "kernels/targets.h"
#include "tensor/half.h"

namespace refocus {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

class Elementwise : public testing::EveryTarget {};

TEST_P(Elementwise, RmsNormEqualsThePlainTwin) {
  for (std::size_t size = 1; size < 70; ++size) {
    const std::vector<float> x = testing::random_floats(size, 1, 3), w = testing::random_floats(size, 2);
    std::vector<float> expected(size), actual(size);
    reference::rms_norm(x.data(), w.data(), static_cast<std::int64_t>(size), 1e-5f, expected.data());
    rms_norm(x.data(), w.data(), static_cast<std::int64_t>(size), 1e-5f, actual.data());
    for (std::size_t i = 0; i < size; ++i)
      ASSERT_NEAR(actual[i], expected[i], 3e-7f * (std::fabs(expected[i]) + 1e-6f));
  }
}

TEST_P(Elementwise, RopeEqualsThePlainTwin) {
  for (std::int64_t head_dim = 2; head_dim < 80; head_dim += 2) {
    const auto size = static_cast<std::size_t>(3 * head_dim), half = static_cast<std::size_t>(head_dim / 2);
    std::vector<float> actual = testing::random_floats(size, 1), expected = actual;
    std::vector<float> angle = testing::random_floats(half, 2, 10), c(half), s(half);
    for (std::size_t i = 0; i < half; ++i) c[i] = std::cos(angle[i]), s[i] = std::sin(angle[i]);
    reference::rope(expected.data(), 3, head_dim, c.data(), s.data());
    rope(actual.data(), 3, head_dim, c.data(), s.data());
    for (std::size_t i = 0; i < size; ++i) ASSERT_NEAR(actual[i], expected[i], 1e-6f);
  }
}

TEST_P(Elementwise, SwigluEqualsThePlainTwin) {
  for (std::size_t size = 1; size < 70; ++size) {
    std::vector<float> actual = testing::random_floats(size, 1, 20), expected = actual;
    const std::vector<float> up = testing::random_floats(size, 2);
    reference::swiglu(expected.data(), up.data(), static_cast<std::int64_t>(size));
    swiglu(actual.data(), up.data(), static_cast<std::int64_t>(size));
    for (std::size_t i = 0; i < size; ++i) {
      ASSERT_NEAR(actual[i], expected[i], 1e-6f * std::fabs(expected[i]) + 1e-30f) << expected[i];
    }
  }
}

TEST_P(Elementwise, SwigluAtTheEdgesOfExp) {
  std::vector<float> gate = {0, -87, 88, -200, 200, kNaN, -kInfinity, kInfinity, 1e-30f};
  const std::vector<float> up(gate.size(), 1.0f);
  swiglu(gate.data(), up.data(), static_cast<std::int64_t>(gate.size()));
  EXPECT_EQ(gate[0], 0);
  EXPECT_NEAR(gate[1], -87 / (1 + std::exp(87.0)), 1e-42);
  EXPECT_EQ(gate[2], 88);
  EXPECT_EQ(gate[3], 0);
  EXPECT_EQ(gate[4], 200);
  EXPECT_TRUE(std::isnan(gate[5]));
  EXPECT_TRUE(std::isnan(gate[6]));  // -inf / inf, as the formula says
  EXPECT_EQ(gate[7], kInfinity);
  EXPECT_EQ(gate[8], 5e-31f);
}

TEST_P(Elementwise, ArgmaxTakesTheFirstOfEqualsAndRefusesWhatIsNotFinite) {
  for (std::size_t size = 0; size < 70; ++size) {
    std::vector<float> x = testing::random_floats(size, static_cast<unsigned>(size));
    for (float& v : x) v = std::round(v * 2);  // many equals
    const auto n = static_cast<std::int64_t>(size);
    EXPECT_EQ(argmax(x.data(), n), reference::argmax(x.data(), n));
    EXPECT_TRUE(all_finite(x.data(), n));
    for (std::size_t i = 0; i < size; ++i) {
      for (const float bad : {kNaN, kInfinity, -kInfinity}) {
        const float before = std::exchange(x[i], bad);
        EXPECT_EQ(argmax(x.data(), n), -1);
        EXPECT_FALSE(all_finite(x.data(), n));
        x[i] = before;
      }
    }
  }
}

TEST_P(Elementwise, FitsHalfIsWhetherRoundingToF16StaysFinite) {
  for (const std::size_t size : {0U, 1U, 3U, 8U, 17U, 64U, 70U}) {
    std::vector<float> x(size, -65504.0f);
    const auto n = static_cast<std::int64_t>(size);
    EXPECT_TRUE(fits_half(x.data(), n));
    for (std::size_t i = 0; i < size; ++i) {
      for (const float value :
           {65519.996f, 65520.0f, -65519.996f, -65520.0f, 1e-30f, 1e30f, kInfinity, kNaN}) {
        const float before = std::exchange(x[i], value);
        EXPECT_EQ(fits_half(x.data(), n), std::isfinite(f16_to_f32(f32_to_f16(value))))
            << value << " at " << i;
        x[i] = before;
      }
    }
  }
}

TEST_P(Elementwise, DistributionsEqualThePlainTwins) {
  for (const std::size_t size : {1U, 2U, 15U, 16U, 17U, 31U, 33U, 1000U, 49152U}) {
    // From nearly equal logits to some that lie 1,200 apart, whose share of the sum is nothing.
    for (const float spread : {0.01f, 3.0f, 30.0f, 600.0f}) {
      const std::vector<float> x = testing::random_floats(size, 1, spread),
                               y = testing::random_floats(size, 2, spread);
      const double x_sum = reference::log_sum_exp(x), y_sum = reference::log_sum_exp(y);
      ASSERT_NEAR(log_sum_exp(x), x_sum, 1e-14 * (1 + std::fabs(x_sum)));
      const double divergence = reference::kl_divergence(x, x_sum, y, y_sum);
      ASSERT_NEAR(kl_divergence(x, x_sum, y, y_sum), divergence, 1e-13 * (1 + divergence));
      ASSERT_EQ(kl_divergence(x, x_sum, x, x_sum), 0);
    }
  }
}

TEST_P(Elementwise, DistributionsAddUpInLanesOfSixteen) {
  // Beside exp(0) an exp(-37) is rounded away; in the other fifteen lanes they add up.
  std::vector<float> x(16003, -37.0f);
  x[0] = 0;
  std::array<double, 16> lanes{};
  for (std::size_t i = 0; i < x.size(); ++i) lanes[i % 16] += std::exp(static_cast<double>(x[i]));
  const double sum = std::log(std::accumulate(lanes.begin(), lanes.end(), 0.0));
  ASSERT_GT(sum, 1e-12);
  EXPECT_NEAR(log_sum_exp(x), sum, 1e-15);
}

REFOCUS_EVERY_TARGET(Elementwise);

}  // namespace
}  // namespace refocus
