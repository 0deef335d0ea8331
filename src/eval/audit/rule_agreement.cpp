#include "eval/audit/rule_agreement.h"

#include "eval/task/ending.h"

namespace refocus {

void Agreement::add(std::optional<char> a, std::optional<char> b, std::optional<char> label) {
  ++responses;
  if (a == b) {
    ++(a ? same : neither);
  } else if (a && b) {
    ++differ;
  } else {
    ++(a ? only_a : only_b);
  }
  if (!label) return;
  if (a == label) {
    ++(b == label ? both_right : only_a_right);
  } else {
    ++(b == label ? only_b_right : both_wrong);
  }
}

ArmAgreement agreement_of(const AuditedArm& arm) {
  ArmAgreement out;
  for (const auto& [rules, tally] : {std::pair(ExtractionRules::kAnchored, &out.anchored),
                                     std::pair(ExtractionRules::kPublished, &out.published)}) {
    for (const TaskAnswers& task : judged_by(arm, rules)) {
      for (const Answer& answer : task.answers) tally->add(answer);
    }
  }
  for (const AuditedTask& task : arm.tasks) {
    for (const AuditedAnswer& read : task.answers) {
      const std::optional<char> a = read.anchored.letter, b = read.published.letter, label = read.item->label;
      out.rules.add(a, b, label);
      if (read.recorded) {
        Answer answer;
        answer.extraction = *read.recorded;
        answer.response = read.response;
        answer.unfinished = is_unfinished(read.response, answer.extraction);
        if (label) answer.correct = answer.extraction.letter == label;
        out.recorded.add(answer);
        out.anchored_recorded.add(a, answer.extraction.letter, label);
        out.published_recorded.add(b, answer.extraction.letter, label);
      }
      if (read.verdict == nullptr) continue;
      ++out.verdicts;
      if (a == read.verdict->letter) ++out.anchored_confirmed;
      if (b == read.verdict->letter) ++out.published_confirmed;
    }
  }
  return out;
}

std::map<std::string, std::int64_t> verdicts_by_reviewer(const Audit& audit) {
  std::map<std::string, std::int64_t> counts;
  for (const AuditedArm& arm : audit.arms) {
    for (const AuditedTask& task : arm.tasks) {
      for (const AuditedAnswer& answer : task.answers) {
        if (answer.verdict != nullptr) ++counts[answer.verdict->reviewer];
      }
    }
  }
  return counts;
}

}  // namespace refocus
