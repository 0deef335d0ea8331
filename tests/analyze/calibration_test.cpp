// What refocus calibrate computes, against tests/golden/interventions.
#include <cmath>
#include <nlohmann/json.hpp>

#include "analyze/head_means.h"
#include "analyze/jacobi_svd.h"
#include "analyze/key_directions.h"
#include "base/text_file.h"
#include "intervene/grammar/tensor_file.h"
#include "io/npy.h"
#include "model/engine.h"

namespace refocus {
namespace {

using nlohmann::json;
using testing::Engine;

Engine family_engine(const std::string& name, int threads, std::int64_t max_rows) {
  const std::filesystem::path directory = testing::golden("families") / name;
  return {directory.string(), read_text_file(directory / "config.json"), threads, max_rows};
}

json golden_json(const char* folder) {
  return json::parse(read_text_file(testing::golden(folder) / "cases.json"));
}

TEST(HeadMeans, EqualTheSpecificationsWhateverTheCallsAndThreads) {
  const std::vector<std::int32_t> tokens = golden_json("families")["tokens"];
  const std::vector<std::string> models = golden_json("interventions")["models"];
  ASSERT_FALSE(models.empty());
  for (const std::string& name : models) {
    const TensorFile file(testing::golden("interventions") / (name + ".safetensors"));
    std::vector<float> first;
    for (const auto& [threads, rows] : {std::pair{1, 512}, {2, 7}}) {
      Engine engine = family_engine(name, threads, rows);
      const ModelConfig& config = engine.model->config();
      HeadMeans means(*engine.model);
      means.add(tokens);
      EXPECT_EQ(means.rows(), std::ssize(tokens));
      const std::vector<float> own = means.means();
      if (first.empty()) first = own;
      EXPECT_EQ(own, first) << name;
      const std::span<const float> expected = file.tensor(
          "means", std::array{config.num_hidden_layers, config.num_attention_heads, config.head_dim});
      for (std::size_t i = 0; i < own.size(); ++i) EXPECT_NEAR(own[i], expected[i], 2e-5f) << name;
      // Of two texts: the mean of their rows, not of their means.
      means.add(std::span(tokens).first(3));
      HeadMeans alone(*engine.model);
      alone.add(std::span(tokens).first(3));
      const std::vector<float> both = means.means(), three = alone.means();
      const double n = static_cast<double>(tokens.size());
      for (std::size_t i = 0; i < own.size(); ++i) {
        EXPECT_NEAR(both[i], (n * own[i] + 3.0 * three[i]) / (n + 3), 1e-6) << name;
      }
    }
  }
}

TEST(KeyDirections, EqualTheSpecifications) {
  std::vector<AnswerText> texts;
  const json cases = golden_json("interventions");
  for (const json& text : cases["texts"]) texts.push_back({text[0], text[1]});
  ASSERT_EQ(texts.size(), 3u);
  const NpyArray expected = read_npy(testing::golden("interventions") / "directions.npy");
  std::vector<float> first;
  for (const auto& [threads, rows] : {std::pair{1, 512}, {2, 3}}) {
    Engine engine = family_engine("qwen3", threads, rows);
    KeyDirections directions(*engine.model);
    directions.add(texts[0], texts[1], texts[2]);
    EXPECT_EQ(directions.tokens(), 3);
    const Directions all = directions.directions(0.8, 0);
    EXPECT_EQ(all.chosen, std::ssize(all.shifts));
    std::vector<float> own = all.positive;
    own.insert(own.end(), all.negative.begin(), all.negative.end());
    own.insert(own.end(), all.shifts.begin(), all.shifts.end());
    ASSERT_EQ(own.size(), expected.f32().size());
    for (std::size_t i = 0; i < own.size(); ++i) EXPECT_NEAR(own[i], expected.f32()[i], 2e-4f) << i;
    if (first.empty()) first = own;
    EXPECT_EQ(own, first);
    // Heads whose keys shift less have none.
    std::vector<double> shifts = all.shifts;
    std::ranges::sort(shifts);
    const Directions few = directions.directions(0.8, shifts[shifts.size() / 2]);
    EXPECT_EQ(few.chosen, std::ssize(shifts) - std::ssize(shifts) / 2);
    const std::size_t square = all.positive.size() / shifts.size();
    for (std::size_t h = 0; h < shifts.size(); ++h) {
      const bool chosen = all.shifts[h] >= shifts[shifts.size() / 2];
      for (std::size_t i = h * square; i < (h + 1) * square; ++i) {
        EXPECT_EQ(few.positive[i], chosen ? all.positive[i] : 0);
        EXPECT_EQ(few.negative[i], chosen ? all.negative[i] : 0);
      }
    }
  }
}

// U is orthonormal, A A^T U = U S^2, and values fall; of a matrix of less than full rank the rest is 0.
TEST(JacobiSvd, FindsLeftSingularVectors) {
  for (const std::int64_t n : {1, 2, 5, 16, 33}) {
    for (const bool deficient : {false, true}) {
      const auto size = static_cast<std::size_t>(n);
      std::vector<double> a(size * size);
      for (std::size_t i = 0; i < a.size(); ++i) a[i] = std::sin(static_cast<double>(i * i + 3 * size + 1));
      if (deficient) {
        for (std::size_t i = 0; i < size; ++i) a[i * size] = 0;
        for (std::size_t i = 0; i < size && n > 2; ++i) a[i * size + 1] = 2 * a[i * size + 2];
      }
      const LeftSingular svd = left_singular(a, n);
      const double largest = svd.values.front();
      for (std::size_t k = 0; k < size; ++k) {
        EXPECT_LE(svd.values[k], svd.values[k > 0 ? k - 1 : 0]);
        std::vector<double> left(size), image(size);  // A^T u, A A^T u
        for (std::size_t j = 0; j < size; ++j) {
          for (std::size_t i = 0; i < size; ++i) left[j] += a[i * size + j] * svd.vectors[i * size + k];
        }
        for (std::size_t i = 0; i < size; ++i) {
          for (std::size_t j = 0; j < size; ++j) image[i] += a[i * size + j] * left[j];
          EXPECT_NEAR(image[i], svd.values[k] * svd.values[k] * svd.vectors[i * size + k],
                      1e-12 * (1 + largest * largest));
        }
        if (svd.values[k] <= 1e-12 * largest) continue;
        for (std::size_t l = 0; l <= k; ++l) {
          double product = 0;
          for (std::size_t i = 0; i < size; ++i) {
            product += svd.vectors[i * size + k] * svd.vectors[i * size + l];
          }
          EXPECT_NEAR(product, k == l ? 1 : 0, 1e-12) << n;
        }
      }
      EXPECT_EQ(svd.values.back() <= 1e-12 * (largest + 1), deficient) << n;
    }
  }
}

}  // namespace
}  // namespace refocus
