// What --sweep says: values of re-balancing's parameters, which multiply an intervention into many.
//
//   alpha=0:1:0.1            begin:end:step, both ends included where the steps meet them: 0, 0.1, ..., 1
//   threshold=0.005,0.01     a list
//   alpha=0.2,0.5:1:0.25     both
//
// Ranges are computed in whole billionths, so their values are the decimals that a reader writes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "intervene/spec.h"

namespace refocus {

struct SweepAxis {
  std::string key;  // "alpha", "threshold", "depth" or "mode"
  // As --intervene takes them, each once; numbers ascend, and "LAST", which only a model makes a number, is
  // the last depth. "mask" comes before "self".
  std::vector<std::string> values;
};

struct Sweep {
  // The first one is the axis to draw accuracies over: alpha, or else the first with numbers. The others are
  // in the order given.
  std::vector<SweepAxis> axes;
};

constexpr std::size_t kMostSweptInterventions = 200;

// One text a --sweep. UsageError for what is not of the grammar, an empty range, a value or a key that comes
// twice, and mode without an axis of numbers beside it.
Sweep parse_sweep(const std::vector<std::string>& texts);

// "none", to compare with, and every --intervene in `interventions` (rebalance where there is none but
// "none") with every combination of the axes' values. The last key of mode, depth, threshold and alpha varies
// fastest, however the axes are ordered. UsageError for an intervention that sets a swept key itself, for
// nothing to sweep, and for more than kMostSweptInterventions.
std::vector<InterventionSpec> expand_sweep(const Sweep& sweep, const std::vector<std::string>& interventions);

}  // namespace refocus
