// What a person read in a response, in the place of the rules: kept in the journal's table `verdicts`, and
// counted wherever letters are judged.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eval/task/item.h"

namespace refocus {

inline constexpr const char* kManualRule = "manual";  // Extraction::rule of a verdict

struct Verdict {
  std::string arm;             // Arm::name(): where it was read; see Verdicts
  std::string subject;         // Item::subject
  int index = 0;               // Item::index
  std::optional<char> letter;  // the answer that the response gives; nothing where it gives none
  bool withdrawn = false;      // takes the reviewer's earlier verdict back; there is no letter then
  std::optional<char> anchored, published;  // what the rules read at that time
  std::string reviewer;
  std::string time;           // UTC, "2026-01-31T12:00:00Z"
  std::string response_hash;  // response_hash() of the text that was read

  bool operator==(const Verdict&) const = default;
};

// SHA-256 of a response as reports show it: invalid UTF-8 replaced by U+FFFD.
std::string response_hash(std::string_view response);

// Two reviewers of the same responses.
struct ReviewerPair {
  std::string first, second;
  std::int64_t both = 0;   // responses that both have a verdict on
  std::int64_t agree = 0;  // of these, with the same letter, or none from both
  // Cohen's kappa over the letters and "none" (J. Cohen, "A coefficient of agreement for nominal scales",
  // Educational and Psychological Measurement 20 (1960), 37-46). Absent where chance alone would always
  // agree.
  std::optional<double> kappa;
};

// All verdicts of a run, and which of them count: of each reviewer the newest on a response, unless it was
// withdrawn; of several reviewers the newest. A verdict is on a text as the answer to a question: it counts
// in every arm that answers the question with the same text, and on no other text.
class Verdicts {
 public:
  Verdicts() = default;
  // In the order in which they were kept. The newest is the one with the latest time, and the last one kept
  // of several with the same time.
  explicit Verdicts(std::vector<Verdict> kept);

  // The verdict that counts for a response to an item, or null; of one reviewer alone unless that is empty.
  const Verdict* find(const Item& item, std::string_view response, std::string_view reviewer = "") const;

  bool empty() const { return kept_.empty(); }
  const std::vector<Verdict>& kept() const { return kept_; }

  // Each pair of reviewers with a common response, by their names.
  std::vector<ReviewerPair> reviewer_pairs() const;

 private:
  std::vector<Verdict> kept_;
  // By subject and index: each reviewer's newest verdict on each text, oldest first; places in kept_.
  std::map<std::pair<std::string, int>, std::vector<std::size_t>> counting_;
};

// What a verdict puts in the place of a rule's reading.
Extraction manual_extraction(const Verdict& verdict);

}  // namespace refocus
