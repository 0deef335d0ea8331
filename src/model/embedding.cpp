#include "model/embedding.h"

#include "base/error.h"
#include "tensor/tensor_view.h"

namespace refocus {

void check_learned_position(const ModelConfig& config, std::int64_t position, const std::string& name) {
  if (!config.learned_positions || position < config.max_position_embeddings) return;
  throw input_error(name,
                    "expected at most {} tokens, as many as the model has learned positions for, got more; "
                    "use a shorter prompt or a smaller --context",
                    config.max_position_embeddings);
}

void embed_row(const ModelConfig& config, const ModelWeights& weights, const std::string& name,
               std::int32_t token, std::int64_t position, float* scratch, float* x) {
  const std::int64_t hidden = config.hidden_size;
  const auto copy_row = [&](const Linear& table, std::int64_t index, float* to) {
    const std::size_t row_bytes = bytes_of(table.dtype, hidden);
    copy_as_f32({table.data + static_cast<std::size_t>(index) * row_bytes, table.dtype, {hidden}}, to);
  };
  copy_row(weights.embed_tokens, token, x);
  if (config.embedding_multiplier != 1) {
    for (std::int64_t i = 0; i < hidden; ++i) x[i] *= config.embedding_multiplier;
  }
  if (!config.learned_positions) return;
  check_learned_position(config, position, name);
  copy_row(weights.positions, position, scratch);
  for (std::int64_t i = 0; i < hidden; ++i) x[i] += scratch[i];
}

}  // namespace refocus
