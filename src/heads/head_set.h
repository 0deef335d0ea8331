// Sets of query heads, and interventions on them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "intervene/spec.h"

namespace refocus {

using Head = std::pair<std::int64_t, std::int64_t>;  // layer, query head
using HeadSet = std::vector<Head>;                   // ascending

std::vector<Head> all_heads(std::int64_t layers, std::int64_t heads);
HeadSet heads_of_layer(std::int64_t layer, std::int64_t heads);

// Heads to compare a set with, which are as many as it and none of its own.
enum class RandomHeads {
  kAny,         // of all heads of the model
  kSameLayers,  // in each layer as many as the set has there; where a layer has too few others, the rest are
                // any
};
// The same for the same seed and number. At least half of the model's heads are not in the set.
HeadSet random_heads(RandomHeads kind, const HeadSet& set, std::int64_t layers, std::int64_t heads,
                     std::uint64_t seed, std::int64_t number);

// "12.3;14.0-3", as heads= takes it. The set is not empty.
HeadSelector selector_of(const HeadSet& heads);

// PASTA's form, {"12": [3], "14": [0, 1]}, which heads=@FILE reads.
std::string heads_json(const HeadSet& heads);

// Every part of `method` on these heads; none where the set is empty.
InterventionSpec on_heads(const InterventionSpec& method, const HeadSet& heads);

// The first layer whose result may differ from that of a run without the intervention.
std::int64_t first_layer_of(const InterventionSpec& spec, std::int64_t layers);

}  // namespace refocus
