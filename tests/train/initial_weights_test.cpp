// Random starting weights: their spread, and the vector that all embeddings may share.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "train/parameters.h"

namespace refocus {
namespace {

// Mean and standard deviation over the rows of the embedding, for each column; and the whole run of weights.
struct Columns {
  std::vector<float> weights;
  std::vector<double> mean, deviation;
};

Columns columns_of(const ParameterLayout& layout, const ModelConfig& config, const InitialWeights& initial) {
  Columns out;
  out.weights.resize(static_cast<std::size_t>(layout.size()));
  initialise_weights(layout, initial, out.weights.data());
  const float* table = out.weights.data() + layout.embed_tokens();
  for (std::int64_t d = 0; d < config.hidden_size; ++d) {
    double sum = 0, squares = 0;
    for (std::int64_t t = 0; t < config.vocab_size; ++t) {
      const double value = table[t * config.hidden_size + d];
      sum += value, squares += value * value;
    }
    const double n = static_cast<double>(config.vocab_size);
    out.mean.push_back(sum / n);
    out.deviation.push_back(std::sqrt(squares / n - sum / n * (sum / n)));
  }
  return out;
}

double root_mean_square(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return std::sqrt(sum / static_cast<double>(values.size()));
}

TEST(InitialWeights, EmbeddingsShareAVectorOnlyWhereAskedTo) {
  ModelConfig config;
  config.hidden_size = 64, config.intermediate_size = 96, config.num_hidden_layers = 1;
  config.num_attention_heads = config.num_key_value_heads = 2, config.head_dim = 32;
  config.vocab_size = 4000;
  const ParameterLayout layout(config, /*tied=*/true);
  const Columns plain = columns_of(layout, config, {7, 0.05, 0});
  const Columns shared = columns_of(layout, config, {7, 0.05, 0.1});
  // Of 4000 normal numbers the mean deviates by 0.05 / sqrt(4000); 64 columns.
  EXPECT_LT(root_mean_square(plain.mean), 0.0015);
  EXPECT_NEAR(root_mean_square(shared.mean), 0.1, 0.03);
  for (std::size_t d = 0; d < plain.mean.size(); ++d) {
    EXPECT_NEAR(plain.deviation[d], 0.05, 0.005);
    EXPECT_NEAR(shared.deviation[d], plain.deviation[d], 1e-6);
  }
  // Everything else is as without it.
  const auto rest = static_cast<std::size_t>(layout.embed_tokens() + config.vocab_size * config.hidden_size);
  for (std::size_t i = rest; i < plain.weights.size(); ++i)
    ASSERT_EQ(plain.weights[i], shared.weights[i]) << i;
}

}  // namespace
}  // namespace refocus
