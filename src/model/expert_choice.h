// Which experts a token goes through, and with what weights (Shazeer et al. 2017; Jiang et al. 2024, arXiv
// 2401.04088).
#pragma once

#include <limits>

#include "architecture/model_config.h"

namespace refocus {

inline constexpr float kNotChosen = -std::numeric_limits<float>::infinity();

// Turns one token's router logits, [config.count], into the weights of the config.per_token chosen experts
// and kNotChosen of the others. Of equal logits the first are chosen. NaN is kept, for the logits to tell.
void choose_experts(const ExpertConfig& config, float* logits);

}  // namespace refocus
