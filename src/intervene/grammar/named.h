// An intervention as an arm of several: with a name of its own where it has one.
//
//   ARM := [NAME '='] SPEC        strong=boost:factor=9,keys=field:question
//
// NAME: letters, digits, '_', '-' and '.', the first one a letter or a digit; no method's name, and "none"
// for none alone. SPEC: intervene/spec.h.
#pragma once

#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "intervene/grammar/spec.h"

namespace refocus {

inline constexpr std::size_t kLongestArmName = 60;

struct NamedIntervention {
  std::string name;  // empty: known by its specification
  InterventionSpec spec;
};

// As it was written, with the keys that each part sets itself.
struct WrittenIntervention : NamedIntervention {
  std::vector<std::set<std::string, std::less<>>> given;  // [parts]
};

// A key that a part need not have, since it gets it later (a sweep's).
struct SuppliedKey {
  std::string_view method, key;
  bool operator==(const SuppliedKey&) const = default;
};

// Where the '=' behind the name stands; npos where the text begins with no name.
std::size_t end_of_arm_name(std::string_view text);

// UsageError, in the name of the option `where`, for a text that is not of the grammar; of several, also for
// a name that two have.
WrittenIntervention parse_named_intervention(std::string_view text, std::string_view where = "--intervene",
                                             std::span<const SuppliedKey> supplied = {});
std::vector<WrittenIntervention> parse_named_interventions(std::span<const std::string> texts,
                                                           std::string_view where = "--intervene",
                                                           std::span<const SuppliedKey> supplied = {});

}  // namespace refocus
