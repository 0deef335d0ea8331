#include "eval/task/verdict.h"

#include <algorithm>

#include "base/utf8.h"
#include "eval/text/sha256.h"

namespace refocus {
namespace {

// Verdicts of two reviewers on the same responses, as letters; 0 for "no answer".
using LetterPairs = std::vector<std::pair<char, char>>;

ReviewerPair pair_of(const std::string& first, const std::string& second, const LetterPairs& letters) {
  ReviewerPair pair{first, second, std::ssize(letters), 0, {}};
  std::map<char, std::pair<double, double>> counts;  // how often each said it
  for (const auto& [a, b] : letters) {
    if (a == b) ++pair.agree;
    ++counts[a].first;
    ++counts[b].second;
  }
  const auto n = static_cast<double>(pair.both);
  double by_chance = 0;
  for (const auto& [letter, count] : counts) by_chance += count.first * count.second / (n * n);
  const double observed = static_cast<double>(pair.agree) / n;
  if (counts.size() > 1) pair.kappa = (observed - by_chance) / (1 - by_chance);
  return pair;
}

}  // namespace

std::string response_hash(std::string_view response) { return sha256_hex(replace_invalid_utf8(response)); }

Verdicts::Verdicts(std::vector<Verdict> kept) : kept_(std::move(kept)) {
  std::vector<std::size_t> order(kept_.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, {}, [&](std::size_t i) -> const std::string& { return kept_[i].time; });
  for (const std::size_t i : order) {
    const Verdict& verdict = kept_[i];
    std::vector<std::size_t>& own = counting_[{verdict.subject, verdict.index}];
    std::erase_if(own, [&](std::size_t earlier) {
      return kept_[earlier].reviewer == verdict.reviewer &&
             kept_[earlier].response_hash == verdict.response_hash;
    });
    if (!verdict.withdrawn) own.push_back(i);
  }
}

const Verdict* Verdicts::find(const Item& item, std::string_view response, std::string_view reviewer) const {
  if (counting_.empty()) return nullptr;
  const auto at = counting_.find({item.subject, item.index});
  if (at == counting_.end() || at->second.empty()) return nullptr;
  const std::string hash = response_hash(response);
  for (auto place = at->second.rbegin(); place != at->second.rend(); ++place) {
    const Verdict& verdict = kept_[*place];
    if (verdict.response_hash == hash && (reviewer.empty() || verdict.reviewer == reviewer)) return &verdict;
  }
  return nullptr;
}

std::vector<ReviewerPair> Verdicts::reviewer_pairs() const {
  std::map<std::pair<std::string, std::string>, LetterPairs> pairs;
  for (const auto& [key, places] : counting_) {
    for (const std::size_t i : places) {
      for (const std::size_t k : places) {
        const Verdict &a = kept_[i], &b = kept_[k];
        if (a.reviewer >= b.reviewer || a.response_hash != b.response_hash) continue;
        pairs[{a.reviewer, b.reviewer}].emplace_back(a.letter.value_or(0), b.letter.value_or(0));
      }
    }
  }
  std::vector<ReviewerPair> result;
  for (const auto& [names, letters] : pairs) result.push_back(pair_of(names.first, names.second, letters));
  return result;
}

Extraction manual_extraction(const Verdict& verdict) { return {verdict.letter, kManualRule, 0, 0}; }

}  // namespace refocus
