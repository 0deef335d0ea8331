// What is computed from a row of weights, against its plain twins and its definitions.
#include "kernels/weight_row.h"

#include <cmath>

#include "kernels/matmul.h"
#include "kernels/targets.h"

namespace refocus {
namespace {

const std::int64_t kSizes[] = {1, 2, 7, 8, 15, 16, 17, 31, 33, 100, 1023, 1024, 1025, 2500};

// Weights of a softmax over scores of this spread, padded with zeros.
std::vector<float> softmax_row(std::int64_t n, unsigned seed, float spread) {
  std::vector<float> row = testing::random_floats(static_cast<std::size_t>(n), seed, spread);
  float sum = 0;
  for (float& v : row) sum += v = std::exp(v);
  for (float& v : row) v /= sum;
  row.resize(static_cast<std::size_t>(padded(n)));
  return row;
}

std::vector<std::int32_t> random_classes(std::int64_t n) {
  std::mt19937 engine(3);
  std::vector<std::int32_t> out(static_cast<std::size_t>(padded(n)));
  for (std::int64_t j = 0; j < n; ++j)
    out[static_cast<std::size_t>(j)] = static_cast<std::int32_t>(engine() % 8);
  return out;
}

class WeightRow : public testing::EveryTarget {};

TEST_P(WeightRow, SumsEqualThePlainTwins) {
  for (const std::int64_t n : kSizes) {
    for (const float spread : {0.1f, 3.0f, 20.0f}) {
      const std::vector<float> w = softmax_row(n, 1, spread), v = softmax_row(n, 2, spread);
      const std::vector<std::int32_t> classes = random_classes(n);
      const RowSums got = sum_weights(w.data(), n, prepare_classes(classes.data(), n));
      const RowSums want = reference::sum_weights(w.data(), n, classes.data());
      // A lane's sum of 64 or more terms, each rounded: the errors are independent, and below 1e-6 by far.
      EXPECT_NEAR(got.sum, want.sum, 3e-7) << n;
      EXPECT_NEAR(sum_of_weights(w.data(), n), want.sum, 3e-7) << n;
      EXPECT_NEAR(got.w_log_w, want.w_log_w, 3e-7 * (1 - want.w_log_w)) << n;
      for (std::size_t c = 0; c < kKeyClasses; ++c) EXPECT_NEAR(got.of_class[c], want.of_class[c], 3e-7) << n;
      EXPECT_NEAR(sum_of_mixture(w.data(), 0.9f, v.data(), 1.1f, n),
                  reference::sum_of_mixture(w.data(), 0.9f, v.data(), 1.1f, n), 3e-7 * (1 - want.w_log_w))
          << n;
    }
  }
}

// Heads that look at the first key alone have weights next to 1, whose logarithms are next to 0.
TEST_P(WeightRow, LogarithmsAreRightNextToOne) {
  for (const float x :
       {0.5f, 0.9f, 0.98f, 0.999f, 0.99999f, 1.0f, 1.0001f, 1.02f, 1.03f, 1e-30f, 1e-39f, 0.0f}) {
    std::vector<float> w(static_cast<std::size_t>(padded(1)));
    w[0] = x;
    const std::vector<std::int32_t> classes(w.size());
    const double want = x == 0 ? 0 : double{x} * std::log(std::max(double{x}, 0x1p-126));
    EXPECT_NEAR(sum_weights(w.data(), 1, prepare_classes(classes.data(), 1)).w_log_w, want,
                3e-7 * std::abs(want))
        << x;
    EXPECT_NEAR(sum_of_mixture(w.data(), 1, w.data(), 1, 1), want, 3e-7 * std::abs(want)) << x;
  }
}

// The partial sums that are said, so that no instruction set may differ by a bit.
TEST_P(WeightRow, SumsSizesInTheStatedOrder) {
  for (const std::int64_t n : kSizes) {
    const std::vector<float> w = testing::random_floats(static_cast<std::size_t>(n), 7);
    double parts[16] = {};
    for (std::size_t j = 0; j < w.size(); ++j) parts[j % 16] += std::abs(double{w[j]});
    for (int half = 8; half > 0; half /= 2) {
      for (int k = 0; k < half; ++k) parts[k] += parts[k + half];
    }
    EXPECT_EQ(sum_of_sizes(w.data(), n), parts[0]) << n;
  }
}

TEST_P(WeightRow, NormalisesWithZerosBeyond) {
  for (const std::int64_t n : kSizes) {
    const std::vector<float> w = testing::random_floats(static_cast<std::size_t>(n), 5);
    std::vector<float> out(static_cast<std::size_t>(padded(n)), 9);
    normalise_weights(w.data(), 1.7f, n, out.data());
    for (std::size_t j = 0; j < out.size(); ++j) ASSERT_EQ(out[j], j < w.size() ? w[j] / 1.7f : 0) << n;
    normalise_weights(w.data(), 0, n, out.data());
    for (const float v : out) ASSERT_EQ(v, 0);
  }
}

TEST_P(WeightRow, AddsTheSameInAnyOrder) {
  constexpr std::int64_t kKeys = 40, kRows = 3000;
  std::vector<double> forward(static_cast<std::size_t>(padded(kKeys))), backward = forward, plain = forward;
  for (std::int64_t i = 0; i < kRows; ++i) {
    const std::vector<float> w = softmax_row(kKeys, static_cast<unsigned>(i), 4),
                             v = softmax_row(kKeys, static_cast<unsigned>(kRows - 1 - i), 4);
    add_exactly(w.data(), kKeys, forward.data());
    add_exactly(v.data(), kKeys, backward.data());
    for (std::size_t j = 0; j < kKeys; ++j) plain[j] += double{w[j]};
  }
  EXPECT_EQ(forward, backward);
  for (std::size_t j = 0; j < kKeys; ++j) EXPECT_NEAR(forward[j], plain[j], kRows * 0x1p-37);
}

TEST_P(WeightRow, FindsTheLargest) {
  for (const std::int64_t n : kSizes) {
    for (const std::int64_t k : {1, 3, 32, 100}) {
      for (const float spread : {0.0f, 0.5f, 5.0f}) {  // 0: all equal
        std::vector<float> w = softmax_row(n, 7, spread);
        for (std::size_t j = 0; j < static_cast<std::size_t>(n); j += 3) w[j] = w[j / 2];  // ties
        std::vector<std::uint64_t> scratch(largest_scratch(k));
        std::vector<std::int32_t> keys(static_cast<std::size_t>(k), -7), want_keys = keys;
        std::vector<float> weights(static_cast<std::size_t>(k)), want = weights;
        const std::int64_t count = reference::largest_weights(w.data(), n, k, want_keys.data(), want.data());
        EXPECT_EQ(largest_weights(w.data(), n, k, scratch.data(), keys.data(), weights.data()), count);
        EXPECT_EQ(keys, want_keys) << n << " " << k;
        EXPECT_EQ(weights, want);
      }
    }
  }
}

TEST_P(WeightRow, FindsTheLargestInSizeWhateverTheSigns) {
  for (const std::int64_t n : kSizes) {
    for (const std::int64_t k : {1, 5, 40}) {
      for (const int every : {1, 2, 3}) {  // 1: all negative
        std::vector<float> w = softmax_row(n, 8, 2);
        for (std::size_t j = 0; j < static_cast<std::size_t>(n); ++j) {
          if (j % 5 == 4) w[j] = w[j / 2];  // ties, of different signs too
          if (j % static_cast<std::size_t>(every) == 0) w[j] = -std::abs(w[j]);
        }
        std::vector<std::uint64_t> scratch(largest_scratch(k));
        std::vector<std::int32_t> keys(static_cast<std::size_t>(k), -7), want_keys = keys;
        std::vector<float> weights(static_cast<std::size_t>(k)), want = weights;
        const std::int64_t count = reference::largest_weights(w.data(), n, k, want_keys.data(), want.data());
        EXPECT_EQ(largest_weights(w.data(), n, k, scratch.data(), keys.data(), weights.data()), count);
        EXPECT_EQ(keys, want_keys) << n << " " << k;
        EXPECT_EQ(weights, want) << "with their signs";
      }
    }
  }
}

TEST_P(WeightRow, TakesSignsApart) {
  for (const std::int64_t n : kSizes) {
    std::vector<float> w = softmax_row(n, 9, 2);
    EXPECT_FALSE(any_negative(w.data(), n));
    w[0] = -0.0f;
    EXPECT_FALSE(any_negative(w.data(), n)) << "-0 is not below 0";
    w[static_cast<std::size_t>(n - 1)] *= -1;
    EXPECT_EQ(any_negative(w.data(), n), n > 1);
    std::vector<float> above(w.size(), 9), below = above, size = above;
    split_signs(w.data(), n, above.data(), below.data(), size.data());
    for (std::size_t j = 0; j < w.size(); ++j) {
      ASSERT_EQ(above[j], std::max(w[j], 0.0f));
      ASSERT_EQ(below[j], std::max(-w[j], 0.0f));
      ASSERT_EQ(size[j], std::abs(w[j]));
    }
  }
}

TEST_P(WeightRow, AddsLargeWeightsExactlyInLargerUnits) {
  std::vector<float> w = testing::random_floats(static_cast<std::size_t>(padded(16)), 4, 1e5f);
  std::vector<double> forward(w.size()), backward = forward;
  const auto scaled = [&](int i) {
    std::vector<float> out = w;
    for (float& v : out) v *= std::exp(0.1f * static_cast<float>(i % 100) - 9);
    return out;
  };
  for (int i = 0; i < 1000; ++i) {
    add_exactly(scaled(i).data(), 16, forward.data(), 0x1p12);
    add_exactly(scaled(999 - i).data(), 16, backward.data(), 0x1p12);
  }
  EXPECT_EQ(forward, backward);
}

TEST_P(WeightRow, FindsTheLargestOfRisingWeights) {  // each one displaces another
  std::vector<float> w(static_cast<std::size_t>(padded(5000)));
  for (std::size_t j = 0; j < 5000; ++j) w[j] = static_cast<float>(j);
  std::vector<std::uint64_t> scratch(largest_scratch(4));
  std::vector<std::int32_t> keys(4);
  std::vector<float> weights(4);
  largest_weights(w.data(), 5000, 4, scratch.data(), keys.data(), weights.data());
  EXPECT_EQ(keys, (std::vector<std::int32_t>{4999, 4998, 4997, 4996}));
}

TEST_P(WeightRow, CountsWhatIsAbove) {
  for (const std::int64_t n : kSizes) {
    const std::vector<float> w = softmax_row(n, 11, 1);
    const float bound = w[static_cast<std::size_t>(n / 2)];
    std::int64_t want = 0;
    for (std::int64_t j = 0; j < n; ++j) want += w[static_cast<std::size_t>(j)] > bound;
    EXPECT_EQ(count_above(w.data(), n, bound), want);
  }
}

REFOCUS_EVERY_TARGET(WeightRow);

}  // namespace
}  // namespace refocus
