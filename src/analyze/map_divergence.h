// How far two arms' rows of the same layer and head are from each other.
#pragma once

#include <optional>

#include "analyze/attention_maps.h"

namespace refocus {

// The mean over rows of the Jensen-Shannon divergence of two maps with the same queries, in nats, from 0 to
// ln 2; of sizes of weights, each row's by their sum. Exact where both maps have all weights of a row.
// Otherwise the keys that only one of them has count as one key, together with what both leave out, which
// makes it no larger than it is of all keys. A key whose weights differ in sign counts as two. Rows of zeros
// are left out; nothing where no row is left.
std::optional<double> mean_divergence(const MapRows& a, const MapRows& b);

}  // namespace refocus
