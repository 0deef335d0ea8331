#include "eval/text/fuzzy_ratio.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace refocus {

namespace {

using Text = std::u32string_view;

// The longest common subsequence of a fixed pattern and many texts, 64 characters of the pattern a step:
// Hyyrö, "Bit-parallel LCS-length computation revisited" (2004).
class CommonSubsequence {
 public:
  explicit CommonSubsequence(Text pattern)
      : size_(pattern.size()), words_((pattern.size() + 63) / 64), state_(words_) {
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      auto& bits = positions_[pattern[i]];
      bits.resize(words_);
      bits[i / 64] |= std::uint64_t{1} << (i % 64);
    }
  }

  std::size_t length(Text text) {
    std::ranges::fill(state_, ~std::uint64_t{0});
    for (const char32_t c : text) {
      const auto found = positions_.find(c);
      if (found == positions_.end()) continue;
      std::uint64_t carry = 0;
      for (std::size_t w = 0; w < words_; ++w) {
        const std::uint64_t state = state_[w];
        const std::uint64_t hits = state & found->second[w];
        std::uint64_t sum = 0;
        const bool first = __builtin_add_overflow(state, hits, &sum);
        const bool second = __builtin_add_overflow(sum, carry, &sum);
        carry = first || second;
        state_[w] = sum | (state - hits);
      }
    }
    std::size_t count = 0;
    for (std::size_t w = 0; w < words_; ++w) {
      const std::size_t bits = std::min<std::size_t>(64, size_ - w * 64);
      const std::uint64_t mask = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
      count += static_cast<std::size_t>(std::popcount(~state_[w] & mask));
    }
    return count;
  }

 private:
  std::size_t size_, words_;
  std::unordered_map<char32_t, std::vector<std::uint64_t>> positions_;
  std::vector<std::uint64_t> state_;
};

// 100 (1 - distance / total) with distance = total - 2 common.
double similarity(std::size_t common, std::size_t total) {
  return total == 0 ? 100.0 : 100.0 * static_cast<double>(2 * common) / static_cast<double>(total);
}

// The best ratio of the whole pattern of `size` to a part of `text`, size <= text.size().
double best_window(CommonSubsequence& pattern, std::size_t size, Text text) {
  std::size_t best = 0;
  for (std::size_t at = 0; at + size <= text.size();) {
    const std::size_t common = pattern.length(text.substr(at, size));
    best = std::max(best, common);
    if (best == size) return 100.0;
    // A step changes the common length by one at most, so nearer windows cannot win.
    at += best - common + 1;
  }
  double score = similarity(best, 2 * size);
  const auto try_ends = [&](auto part) {
    for (std::size_t length = size - 1; length > 0; --length) {
      if (similarity(length, size + length) <= score) break;
      score = std::max(score, similarity(pattern.length(part(length)), size + length));
    }
  };
  try_ends([&](std::size_t length) { return text.substr(0, length); });
  try_ends([&](std::size_t length) { return text.substr(text.size() - length); });
  return score;
}

// Python's str.isspace, which str.split() goes by.
bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::vector<Text> sorted_tokens(Text text) {
  std::vector<Text> tokens;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    while (at < text.size() && !is_space(text[at])) ++at;
    if (at > begin) tokens.push_back(text.substr(begin, at - begin));
    while (at < text.size() && is_space(text[at])) ++at;
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

double ratio(Text a, Text b) {
  if (a.size() > b.size()) std::swap(a, b);
  return similarity(CommonSubsequence(a).length(b), a.size() + b.size());
}

double partial_ratio(Text a, Text b) {
  if (a.size() > b.size()) std::swap(a, b);
  if (a.empty()) return b.empty() ? 100.0 : 0.0;
  CommonSubsequence pattern(a);
  double score = best_window(pattern, a.size(), b);
  if (a.size() == b.size() && score < 100.0) {
    CommonSubsequence other(b);
    score = std::max(score, best_window(other, b.size(), a));
  }
  return score;
}

double token_sort_ratio(Text a, Text b) { return ratio(join(sorted_tokens(a)), join(sorted_tokens(b))); }

double token_set_ratio(Text a, Text b) {
  const std::vector<Text> tokens_a = sorted_tokens(a), tokens_b = sorted_tokens(b);
  if (tokens_a.empty() || tokens_b.empty()) return 0.0;
  const TokenSets sets(tokens_a, tokens_b);
  if (!sets.common.empty() && (sets.only_a.empty() || sets.only_b.empty())) return 100.0;
  const std::u32string rest_a = join(sets.only_a), rest_b = join(sets.only_b);
  const std::size_t common = join(sets.common).size();
  const std::size_t shared = common == 0 ? 0 : common + 1;  // the common tokens and the space after them
  const std::size_t rest = rest_a.size() + rest_b.size();
  // The common beginning cancels out, so only the rests are compared.
  const std::size_t kept = CommonSubsequence(rest_a).length(rest_b);
  double score = similarity(shared + kept, 2 * shared + rest);
  if (common == 0) return score;
  for (const std::size_t size : {rest_a.size(), rest_b.size()}) {
    score = std::max(score, similarity(common, common + shared + size));
  }
  return score;
}

double partial_token_ratio(Text a, Text b) {
  const std::vector<Text> tokens_a = sorted_tokens(a), tokens_b = sorted_tokens(b);
  const TokenSets sets(tokens_a, tokens_b);
  if (!sets.common.empty()) return 100.0;
  const double sorted = partial_ratio(join(tokens_a), join(tokens_b));
  if (sets.only_a.size() == tokens_a.size() && sets.only_b.size() == tokens_b.size()) return sorted;
  return std::max(sorted, partial_ratio(join(sets.only_a), join(sets.only_b)));
}

double weighted_ratio(Text a, Text b) {
  if (a.empty() || b.empty()) return 0.0;
  constexpr double kTokenScale = 0.95;
  const double times =
      static_cast<double>(std::max(a.size(), b.size())) / static_cast<double>(std::min(a.size(), b.size()));
  const double whole = ratio(a, b);
  if (times < 1.5) {
    return std::max(whole, kTokenScale * std::max(token_sort_ratio(a, b), token_set_ratio(a, b)));
  }
  const double partial_scale = times <= 8.0 ? 0.9 : 0.6;
  return std::max(
      {whole, partial_scale * partial_ratio(a, b), kTokenScale * partial_scale * partial_token_ratio(a, b)});
}

}  // namespace refocus
