// Sets of query heads, and drawing them: of a model's heads, or others than those of a set.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "intervene/grammar/spec.h"

namespace refocus {

using Head = std::pair<std::int64_t, std::int64_t>;  // layer, query head
using HeadSet = std::vector<Head>;                   // ascending

HeadSet all_heads(std::int64_t layers, std::int64_t heads);

HeadSet heads_of_layer(std::int64_t layer, std::int64_t heads);

// Heads to compare a set with, which are as many as it and none of its own.
enum class RandomHeads {
  kAny,         // of all that may be drawn
  kSameLayers,  // in each layer as many as the set has there; where a layer has too few others, the rest are
                // any
};
// Of `from`, which has at least as many heads that are not in the set as are in it. The same for the same
// seed and number.
HeadSet random_heads(RandomHeads kind, const HeadSet& set, const HeadSet& from, std::uint64_t seed,
                     std::int64_t number);

// "12.3;14.0-3", as heads= takes it. The set is not empty.
HeadSelector selector_of(const HeadSet& heads);

// The heads of a part's heads= in a model of so many layers and heads a layer; drawn where it says so, from
// the layers that the part acts on (re-balancing never changes layer 0). UsageError where the model lacks
// one, or has too few to draw from.
HeadSelector heads_in_model(const InterventionPart& part, std::int64_t layers, std::int64_t heads);

// Of each part that draws heads: its text as canonical() has it, and the heads that it got in the model.
struct DrawnHeads {
  std::string part, heads;
};
std::vector<DrawnHeads> drawn_heads(const InterventionSpec& spec, std::int64_t layers, std::int64_t heads);

}  // namespace refocus
