// What --intervene says: which intervention on the attention weights, with which parameters.
//
//   none  |  rebalance[:alpha=0.2,threshold=0.01,depth=LAST,mode=mask|self]
//
// The grammar is name:key=value,... ; unknown names and keys are errors that list the known ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace refocus {

// Re-balancing of later layers' attention towards layer 0's pattern (arXiv 2403.14932):
//
//   M(i, j) = A_0(i, j) > threshold  and  i != j                       per head; layer 0 itself is not
//   changed A_l(i, j) *= 1 + alpha (1 - l / depth)   where M(i, j), l >= 1     rows are not normalised again
//
// mode=self scales every weight, M or not. Where the factor is below 0 weights become negative: the layer
// takes away what it gave.
struct RebalanceSpec {
  enum class Mode { kMask, kSelf };
  double alpha = 0.2;
  double threshold = 0.01;
  std::optional<std::int64_t> depth;  // the last layer's index where not given
  Mode mode = Mode::kMask;

  // The factor's excess over 1 at a layer of a model with `layers` layers: alpha (1 - layer / depth).
  double excess(std::int64_t layer, std::int64_t layers) const;
  // The factor as it is computed, in float32; 1 for layer 0.
  float factor(std::int64_t layer, std::int64_t layers) const;
  // The first layer whose factor is below 0, where there is one.
  std::optional<std::int64_t> first_negative_layer(std::int64_t layers) const;
  // The largest factor of any layer in size, at least 1.
  double largest_factor(std::int64_t layers) const;
};

// Far beyond it float32 has no number for the factor.
inline constexpr double kLargestAlpha = 1e6;
inline constexpr std::int64_t kLargestDepth = 1'000'000;

struct InterventionSpec {
  std::optional<RebalanceSpec> rebalance;  // none where empty

  // Every parameter written out for a model of so many layers, in one form: equal texts mean equal
  // computations.
  std::string canonical(std::int64_t layers) const;
};

// UsageError, in the name of the option `where`, for a text that is not of the grammar.
InterventionSpec parse_intervention(std::string_view text, std::string_view where = "--intervene");

}  // namespace refocus
