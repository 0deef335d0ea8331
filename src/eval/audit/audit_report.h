// An audit as text for a terminal and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "eval/audit/audit.h"
#include "eval/audit/rule_agreement.h"

namespace refocus {

// For every arm: accuracies with Wilson intervals under both rule sets, how they agree, and how people do.
std::string audit_table(const Audit& audit);

// The answers on which the rule sets read different letters: what each read, by which rule, and the text with
// both places marked ([[anchored]], {{published}}). No control character of a response is passed on.
std::string disagreement_list(const Audit& audit);

struct AuditJsonOptions {
  bool list = false;                       // with the answers on which the rule sets disagree
  std::optional<ExtractionRules> written;  // the reports were written anew, by these rules
};
nlohmann::ordered_json audit_json(const Audit& audit, const AuditJsonOptions& options = {});

}  // namespace refocus
