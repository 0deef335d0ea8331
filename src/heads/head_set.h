// Interventions on sets of query heads.
#pragma once

#include <cstdint>
#include <string>

#include "intervene/grammar/head_draw.h"

namespace refocus {

// PASTA's form, {"12": [3], "14": [0, 1]}, which heads=@FILE reads.
std::string heads_json(const HeadSet& heads);

// Every part of `method` on these heads; none where the set is empty.
InterventionSpec on_heads(const InterventionSpec& method, const HeadSet& heads);

// The first layer whose result may differ from that of a run without the intervention.
std::int64_t first_layer_of(const InterventionSpec& spec, std::int64_t layers);

}  // namespace refocus
