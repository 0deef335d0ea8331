// How readings of the same responses agree: two rule sets, rules and a record, rules and people.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "eval/audit/audit.h"

namespace refocus {

// Two readings of the same responses, `a` and `b`.
struct Agreement {
  std::int64_t responses = 0;
  std::int64_t same = 0;     // the same letter
  std::int64_t neither = 0;  // no letter from either
  std::int64_t differ = 0;   // two letters
  std::int64_t only_a = 0;   // a letter from `a` alone
  std::int64_t only_b = 0;
  // Of those with a known right letter:
  std::int64_t both_right = 0, only_a_right = 0, only_b_right = 0, both_wrong = 0;

  void add(std::optional<char> a, std::optional<char> b, std::optional<char> label);
  std::int64_t agreed() const { return same + neither; }
};

// One arm under every reading of it.
struct ArmAgreement {
  Tally anchored, published;  // letters by these rules, or a person's where there is a verdict
  Tally recorded;             // letters as the file has them; no answers where it has none
  Agreement rules;            // anchored and published, whatever verdicts say
  Agreement anchored_recorded, published_recorded;
  std::int64_t verdicts = 0;            // responses with a verdict that counts
  std::int64_t anchored_confirmed = 0;  // of these, the rule reads as the person does
  std::int64_t published_confirmed = 0;
};

ArmAgreement agreement_of(const AuditedArm& arm);

// How many verdicts that count are each reviewer's.
std::map<std::string, std::int64_t> verdicts_by_reviewer(const Audit& audit);

}  // namespace refocus
