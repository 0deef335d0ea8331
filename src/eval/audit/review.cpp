#include "eval/audit/review.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/error.h"
#include "base/utf8.h"
#include "eval/text/sha256.h"

namespace refocus {
namespace {

using Only = ReviewOptions::Only;

bool is_wanted(const AuditedAnswer& answer, Only only) {
  const bool unparsed = !answer.anchored.letter || !answer.published.letter;
  switch (only) {
    case Only::kUnparsed:
      return unparsed;
    case Only::kDisagree:
      return !unparsed && answer.disagrees();
    case Only::kBoth:
      return unparsed || answer.disagrees();
    case Only::kAll:
      break;
  }
  return true;
}

// Tells a response from all others, and says where it stands.
std::string rank(std::uint64_t seed, const AuditedAnswer& answer) {
  return sha256_hex(fmt::format("{}\n{}\n{}\n{}", seed, answer.item->subject, answer.item->index,
                                response_hash(answer.response.text)));
}

void check_arm(const Audit& audit, const std::string& name) {
  std::string known;
  for (const AuditedArm& arm : audit.arms) {
    if (name.empty() || arm.asked.name == name) return;
    known += (known.empty() ? "" : ", ") + printable(arm.asked.name, 200);
  }
  throw usage_error("--arm", "expected one of {}, got '{}'; give an arm of the run", known, printable(name));
}

void check_subject(const Audit& audit, const std::string& name) {
  std::string known;
  for (const Task& task : *audit.tasks) {
    for (const std::string& subject : task.subjects) {
      if (name.empty() || subject == name) return;
      known += (known.empty() ? "" : ", ") + printable(subject);
    }
  }
  throw usage_error("--subject", "expected one of {}, got '{}'; give a subject of the run",
                    printable(known, 1000), printable(name));
}

}  // namespace

Only parse_only(std::string_view name) {
  if (name == "unparsed") return Only::kUnparsed;
  if (name == "disagree") return Only::kDisagree;
  if (name == "both") return Only::kBoth;
  if (name == "all") return Only::kAll;
  throw usage_error("--only", "expected unparsed, disagree, both or all, got '{}'; choose one of them",
                    printable(name));
}

const std::string& checked_reviewer(const std::string& name) {
  const bool fit = !name.empty() && name.size() <= 64 && is_valid_utf8(name) && printable(name) == name;
  if (!fit) {
    throw usage_error("--reviewer",
                      "expected a name of at most 64 printable characters, got '{}'; shorten it",
                      printable(name));
  }
  return name;
}

std::vector<ReviewedAnswer> answers_to_review(const Audit& audit, const ReviewOptions& options) {
  check_arm(audit, options.arm);
  check_subject(audit, options.subject);
  std::map<std::string, ReviewedAnswer> ranked;
  for (const AuditedArm& arm : audit.arms) {
    for (const AuditedTask& task : arm.tasks) {
      for (const AuditedAnswer& answer : task.answers) {
        const Item& item = *answer.item;
        if (!options.subject.empty() && item.subject != options.subject) continue;
        if (!is_wanted(answer, options.only)) continue;
        if (!options.again && audit.verdicts->find(item, answer.response.text, options.reviewer)) continue;
        ReviewedAnswer& reviewed = ranked[rank(options.seed, answer)];
        reviewed.arms.push_back(&arm);
        if (reviewed.answer == nullptr) reviewed.answer = &answer;
      }
    }
  }
  std::vector<ReviewedAnswer> answers;
  for (auto& [place, reviewed] : ranked) {
    const bool wanted = options.arm.empty() || std::ranges::any_of(reviewed.arms, [&](const AuditedArm* arm) {
                          return arm->asked.name == options.arm;
                        });
    if (wanted) answers.push_back(std::move(reviewed));
  }
  return answers;
}

Review::Review(const Audit& audit, std::vector<ReviewedAnswer> answers, std::string reviewer,
               Journal& journal)
    : answers_(std::move(answers)), own_(answers_.size()), reviewer_(std::move(reviewer)), journal_(journal) {
  for (std::size_t i = 0; i < answers_.size(); ++i) {
    const AuditedAnswer& answer = *answers_[i].answer;
    const Verdict* verdict = audit.verdicts->find(*answer.item, answer.response.text, reviewer_);
    if (verdict != nullptr) own_[i] = *verdict;
  }
}

const Verdict* Review::own() const { return at_end() || !own_[place_] ? nullptr : &*own_[place_]; }

std::int64_t Review::judged() const {
  return std::ranges::count_if(own_, [](const auto& verdict) { return verdict.has_value(); });
}

void Review::keep(std::optional<char> letter, bool withdrawn) {
  const auto& [arms, answer] = current();
  const Verdict verdict{arms.front()->asked.name,
                        answer->item->subject,
                        answer->item->index,
                        letter,
                        withdrawn,
                        answer->anchored.letter,
                        answer->published.letter,
                        reviewer_,
                        fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))),
                        response_hash(answer->response.text)};
  journal_.put({&verdict, 1});
  ++given_;
  own_[place_] = withdrawn ? std::nullopt : std::optional(verdict);
}

void Review::judge(std::optional<char> letter) {
  keep(letter, false);
  ++place_;
}

void Review::withdraw() {
  if (own() != nullptr) keep(std::nullopt, true);
}

void Review::skip() {
  if (!at_end()) ++place_;
}

bool Review::back() {
  if (place_ == 0) return false;
  --place_;
  return true;
}

}  // namespace refocus
