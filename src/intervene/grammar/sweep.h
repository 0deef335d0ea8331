// What --sweep says: values of keys of methods, which multiply interventions into many.
//
// Values are a list (threshold=0.005,0.01), a range with both ends included where the steps meet them
// (alpha=0:1:0.1 is 0, 0.1, ..., 1), or both (boost:factor=1:19:2,25); of keys that are no numbers they are
// texts, split at commas outside double quotes (boost:layers=0-7,8-15). The method stands before the key;
// where none does, it is re-balancing.
//
// Ranges are computed in whole billionths, so their values are the decimals that a reader writes. Keys of one
// method make every combination; methods are tried beside each other.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "intervene/grammar/named.h"

namespace refocus {

struct SweepAxis {
  const Method* method = nullptr;
  std::string key;       // one of keys_of(*method)
  bool numeric = false;  // numbers, or layers' indices
  // As set_key takes them, each once. Numbers ascend, and "LAST", which only a model makes a number, is the
  // last; words are in the method's order ("mask", "self", "random"), other texts in the order given.
  std::vector<std::string> values;

  std::string name() const;  // "alpha" of re-balancing's own keys, "boost:factor"
};

// What is swept of one method.
struct SweepFamily {
  const Method* method = nullptr;
  // The first one is the axis to draw accuracies over: re-balancing's alpha, or else the first with numbers,
  // or else the first. The others are in the order given.
  std::vector<SweepAxis> axes;
};

struct Sweep {
  std::vector<SweepFamily> families;  // at least one, in the order of all_methods()
  std::optional<std::size_t> budget;  // most points of a family
};

// One point: an intervention with a value of each swept key in one of its parts.
struct SweptPoint {
  NamedIntervention intervention;
  std::size_t family = 0;
  std::size_t part = 0;        // whose keys are swept
  std::size_t main_place = 0;  // of its value on the first axis of the family
  std::string base;            // the name that its --intervene has; may be empty
};

struct ExpandedSweep {
  Sweep sweep;
  NamedIntervention baseline;        // none, perhaps with a name
  std::vector<SweptPoint> points;    // family after family
  std::vector<std::size_t> grids;    // [families] points before the budget
  std::vector<std::string> written;  // the --intervene that were given

  std::vector<NamedIntervention> interventions() const;  // the baseline first
  std::size_t points_of(std::size_t family) const;
};

constexpr std::size_t kMostSweptInterventions = 200;

// One text a --sweep. UsageError for what is not of the grammar, an empty range, and a value or a key that
// comes twice.
Sweep parse_sweep(const std::vector<std::string>& texts, std::optional<std::size_t> budget = std::nullopt);

// Every family's combinations of values, each applied to every --intervene in `interventions` that has the
// method, or to the method with its defaults where none has. Keys vary in the order of keys_of, the first
// one fastest, however the axes are ordered. A point of an intervention with a name has it with the swept
// values behind it ("strong:factor=3").
//
// Of a family with more points than the budget N, points i = 0, 1, ... of n in this order are kept so: along
// one axis, those nearest to N even steps from the first to the last (the middle one for N = 1); of a grid
// (several axes, or several interventions), the first N of shuffled(n, 0, 0) (base/random.h).
//
// UsageError for an intervention without a swept method, with one twice, or that sets a swept key itself; for
// a method whose other keys have no default; for nothing to sweep, and for more than kMostSweptInterventions.
ExpandedSweep expand_sweep(const Sweep& sweep, const std::vector<std::string>& interventions);

}  // namespace refocus
