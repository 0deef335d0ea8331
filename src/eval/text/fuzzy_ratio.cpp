#include "eval/text/fuzzy_ratio.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "eval/text/code_points.h"
#include "eval/text/common_subsequence.h"

namespace refocus {

namespace {

using Text = std::u32string_view;

// The same similarity is written in two ways, as RapidFuzz does: they differ in the last bit, and ties
// between options hang on it. `total` is the length of both texts.
double similarity(std::size_t common, std::size_t total, double cutoff) {
  const auto distance = static_cast<double>(total - 2 * common);
  const double score = 1.0 - (total == 0 ? 0.0 : distance / static_cast<double>(total));
  return score >= cutoff / 100 ? score * 100 : 0.0;
}

double similarity_of_sets(std::size_t distance, std::size_t total, double cutoff) {
  const double score =
      total == 0 ? 100.0 : 100.0 - 100.0 * static_cast<double>(distance) / static_cast<double>(total);
  return score >= cutoff ? score : 0.0;
}

double best_part(Text shorter, Text longer, double cutoff) {
  const std::size_t size = shorter.size();
  const PartialCommon common = partial_common(shorter, longer);
  double best = similarity(common.best_window, 2 * size, 0);
  if (best < cutoff) best = 0.0;
  const auto improve = [&](std::size_t length, std::size_t kept) {
    best = std::max(best, similarity(kept, size + length, std::max(cutoff, best)));
  };
  for (std::size_t length = 1; length < size; ++length) improve(length, common.with_start[length]);
  for (std::size_t length = size; length > 0; --length) improve(length, common.with_end[length]);
  return best;
}

std::vector<Text> sorted_tokens(Text text) {
  std::vector<Text> tokens;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    while (at < text.size() && !is_white_space(text[at])) ++at;
    if (at > begin) tokens.push_back(text.substr(begin, at - begin));
    while (at < text.size() && is_white_space(text[at])) ++at;
  }
  std::ranges::sort(tokens);
  return tokens;
}

std::u32string join(const std::vector<Text>& tokens) {
  std::u32string out;
  for (const Text token : tokens) {
    if (!out.empty()) out += U' ';
    out += token;
  }
  return out;
}

// The distinct tokens of two texts, split into common ones and the rest of each.
struct TokenSets {
  std::vector<Text> common, only_a, only_b;

  TokenSets(std::vector<Text> a, std::vector<Text> b) {
    a.erase(std::unique(a.begin(), a.end()), a.end());
    b.erase(std::unique(b.begin(), b.end()), b.end());
    std::ranges::set_intersection(a, b, std::back_inserter(common));
    std::ranges::set_difference(a, b, std::back_inserter(only_a));
    std::ranges::set_difference(b, a, std::back_inserter(only_b));
  }
};

}  // namespace

SortedTokens::SortedTokens(Text text) : tokens(sorted_tokens(text)), joined(join(tokens)) {}

double ratio(Text a, Text b, double cutoff) {
  return similarity(common_subsequence(a, b), a.size() + b.size(), cutoff);
}

double partial_ratio(Text a, Text b, double cutoff) {
  if (cutoff > 100) return 0.0;
  if (a.size() > b.size()) std::swap(a, b);
  if (a.empty()) return b.empty() ? 100.0 : 0.0;
  const double score = best_part(a, b, cutoff);
  if (a.size() != b.size() || score == 100.0) return score;
  return std::max(score, best_part(b, a, std::max(cutoff, score)));
}

double token_ratio(const SortedTokens& a, const SortedTokens& b, double cutoff) {
  if (cutoff > 100) return 0.0;
  const TokenSets sets(a.tokens, b.tokens);
  if (!sets.common.empty() && (sets.only_a.empty() || sets.only_b.empty())) return 100.0;
  const double sorted = ratio(a.joined, b.joined, cutoff);
  const std::u32string rest_a = join(sets.only_a), rest_b = join(sets.only_b);
  const std::size_t common = join(sets.common).size();
  const std::size_t shared = common == 0 ? 0 : common + 1;  // the common tokens and the space after them
  const std::size_t rest = rest_a.size() + rest_b.size();
  // The common beginning cancels out, so only the rests are compared.
  const std::size_t distance = rest - 2 * common_subsequence(rest_a, rest_b);
  double score = std::max(sorted, similarity_of_sets(distance, 2 * shared + rest, cutoff));
  if (common == 0) return score;
  for (const std::size_t size : {rest_a.size(), rest_b.size()}) {
    score = std::max(score, similarity_of_sets(size + 1, common + shared + size, cutoff));
  }
  return score;
}

double partial_token_ratio(const SortedTokens& a, const SortedTokens& b, double cutoff) {
  if (cutoff > 100) return 0.0;
  const TokenSets sets(a.tokens, b.tokens);
  if (!sets.common.empty()) return 100.0;
  const double sorted = partial_ratio(a.joined, b.joined, cutoff);
  if (sets.only_a.size() == a.tokens.size() && sets.only_b.size() == b.tokens.size()) return sorted;
  return std::max(sorted, partial_ratio(join(sets.only_a), join(sets.only_b), std::max(cutoff, sorted)));
}

double WeightedRatio::to(Text other, double cutoff) const {
  if (cutoff > 100 || text_.empty() || other.empty()) return 0.0;
  constexpr double kTokenScale = 0.95;
  const auto [shorter, longer] = std::minmax({text_.size(), other.size()});
  const double times = static_cast<double>(longer) / static_cast<double>(shorter);
  const SortedTokens tokens(other);
  double score = ratio(text_, other, cutoff);
  // A part is asked for no more than would change the result.
  if (times < 1.5) {
    cutoff = std::max(cutoff, score) / kTokenScale;
    return std::max(score, token_ratio(tokens_, tokens, cutoff) * kTokenScale);
  }
  const double partial_scale = times <= 8.0 ? 0.9 : 0.6;
  cutoff = std::max(cutoff, score) / partial_scale;
  score = std::max(score, partial_ratio(text_, other, cutoff) * partial_scale);
  cutoff = std::max(cutoff, score) / kTokenScale;
  return std::max(score, partial_token_ratio(tokens_, tokens, cutoff) * kTokenScale * partial_scale);
}

}  // namespace refocus
