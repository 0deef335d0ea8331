// The logit lens (nostalgebraist, 2020): what a model would predict if it stopped after a layer.
#pragma once

#include <cstdint>
#include <vector>

#include "model/transformer.h"

namespace refocus {

struct LensToken {
  std::int32_t id = 0;
  double probability = 0;
};

struct LensPosition {
  std::int64_t position = 0;
  std::vector<std::vector<LensToken>> layers;  // [layers of the model, kLensTokens]
};
inline constexpr std::size_t kLensTokens = 5;

// Keeps the residual stream at chosen positions of one sequence.
class LogitLens {
 public:
  // `positions`: ascending.
  LogitLens(const ModelConfig& config, std::vector<std::int64_t> positions);

  // A call over these positions follows; the tap is for its SequenceInput.
  const ResidualTap* begin_call(std::int64_t first_position, std::int64_t rows);
  // After all calls: the likeliest tokens by falling probability, equal ones by rising id.
  std::vector<LensPosition> predictions(Transformer& model) const;

 private:
  static void after_layer(void* context, std::int64_t layer, const float* x, std::int64_t stride);

  std::int64_t layers_, hidden_;
  std::vector<std::int64_t> positions_;
  std::vector<float> x_;  // [positions, layers, hidden_size]
  ResidualTap tap_;
  std::int64_t first_ = 0, rows_ = 0;
};

}  // namespace refocus
