// Responses put before a person, one after the other: which ones, in which order, and what becomes of a
// verdict. Knows no terminal.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/audit/audit.h"

namespace refocus {

struct ReviewOptions {
  // kUnparsed: one of the rule sets finds no letter. kDisagree: both find one, and another. kBoth: either.
  enum class Only { kUnparsed, kDisagree, kBoth, kAll };
  Only only = Only::kBoth;
  std::string arm = {}, subject = {};  // these alone, unless empty
  std::uint64_t seed = 0;              // of the order, in which arms and subjects mix
  std::string reviewer = {};
  bool again = false;  // with those that the reviewer has a verdict on
};

// "unparsed", "disagree", "both", "all"; UsageError for another name.
ReviewOptions::Only parse_only(std::string_view name);

// A reviewer's name as given. UsageError where it is empty, longer than 64 bytes, or holds control
// characters.
const std::string& checked_reviewer(const std::string& name);

// A response to a question, and the arms that gave it: the same text is read once for all of them.
struct ReviewedAnswer {
  std::vector<const AuditedArm*> arms;
  const AuditedAnswer* answer = nullptr;  // in the first of them
};

// Those to be reviewed. Where an answer stands among others depends on the seed and on the answers alone, so
// a review that is broken off goes on in the same order. UsageError for an arm or a subject that the run
// lacks.
std::vector<ReviewedAnswer> answers_to_review(const Audit& audit, const ReviewOptions& options);

// A way through the answers. Each verdict is in the journal when the call has returned.
class Review {
 public:
  Review(const Audit& audit, std::vector<ReviewedAnswer> answers, std::string reviewer, Journal& journal);

  std::size_t size() const { return answers_.size(); }
  std::size_t place() const { return place_; }  // size() when all are through
  bool at_end() const { return place_ == answers_.size(); }
  const ReviewedAnswer& current() const { return answers_.at(place_); }
  // The reviewer's verdict on the current answer that counts, if any.
  const Verdict* own() const;

  // A letter of an option, or nothing for a response that gives no answer; then goes to the next.
  void judge(std::optional<char> letter);
  void withdraw();  // takes the verdict on the current answer back; stays
  void skip();
  bool back();  // false at the first

  std::int64_t verdicts() const { return given_; }  // kept in this review, withdrawals included
  std::int64_t judged() const;                      // answers with a verdict of the reviewer

 private:
  void keep(std::optional<char> letter, bool withdrawn);

  std::vector<ReviewedAnswer> answers_;
  std::vector<std::optional<Verdict>> own_;  // by place
  std::string reviewer_;
  Journal& journal_;
  std::size_t place_ = 0;
  std::int64_t given_ = 0;
};

}  // namespace refocus
