// How alike two texts are, from 0 to 100: the ratios of FuzzyWuzzy as RapidFuzz 3.14 defines them
// (https://rapidfuzz.github.io/RapidFuzz/Usage/fuzz.html), the same doubles to the last bit.
//
// Texts are code points. "Tokens" are the words between white space. With d the insertions and deletions
// that turn one text into the other, ratio = 100 (1 - d / (length of both)). A score below `cutoff` is 0, and
// a cutoff above 100 leaves nothing. Time: the product of both lengths, many characters a step.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace refocus {

// Normalised indel similarity; 100 for two empty texts.
double ratio(std::u32string_view a, std::u32string_view b, double cutoff = 0);

// The best ratio of the shorter text to any part of the longer one that is as long, or shorter at its ends.
double partial_ratio(std::u32string_view a, std::u32string_view b, double cutoff = 0);

// A text's tokens in order; they look into the text.
struct SortedTokens {
  explicit SortedTokens(std::u32string_view text);

  std::vector<std::u32string_view> tokens;
  std::u32string joined;  // by single blanks
};

// The better of the ratio of the sorted tokens joined by spaces, and the best ratio among the common tokens
// and these with the rest of either text; 100 where the tokens of one text are common.
double token_ratio(const SortedTokens& a, const SortedTokens& b, double cutoff = 0);

// The better of partial_ratio over sorted tokens and over the tokens of one text only; 100 where any token
// is common.
double partial_token_ratio(const SortedTokens& a, const SortedTokens& b, double cutoff = 0);

// A text to compare with several others; it must outlive this.
class WeightedRatio {
 public:
  explicit WeightedRatio(std::u32string_view text) : text_(text), tokens_(text) {}

  // WRatio: ratio; and where the lengths differ by less than 1.5 times, token_ratio scaled by 0.95; else
  // partial_ratio scaled by 0.9 (0.6 beyond 8 times) and partial_token_ratio by 0.95 of that. 0 where a text
  // is empty.
  double to(std::u32string_view other, double cutoff = 0) const;

 private:
  std::u32string_view text_;
  SortedTokens tokens_;
};

inline double weighted_ratio(std::u32string_view a, std::u32string_view b, double cutoff = 0) {
  return WeightedRatio(a).to(b, cutoff);
}

}  // namespace refocus
