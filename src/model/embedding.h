// What a token is before the first layer: its row of the embedding table, and of the learned positions where
// the model has them.
#pragma once

#include <cstdint>
#include <string>

#include "model/weights.h"

namespace refocus {

// InputError where the model has learned positions, and none for this one. `name`: the model's, for the
// message.
void check_learned_position(const ModelConfig& config, std::int64_t position, const std::string& name);

// x, scratch: [hidden_size].
void embed_row(const ModelConfig& config, const ModelWeights& weights, const std::string& name,
               std::int32_t token, std::int64_t position, float* scratch, float* x);

}  // namespace refocus
