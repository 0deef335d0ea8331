// How alike two texts are, from 0 to 100: the ratios of FuzzyWuzzy as RapidFuzz 3 defines them
// (https://rapidfuzz.github.io/RapidFuzz/Usage/fuzz.html), without preprocessing and without score cut-offs.
//
// Texts are code points. "Tokens" are the words between white space. With d the insertions and deletions
// that turn one text into the other, ratio = 100 (1 - d / (length of both)).
#pragma once

#include <string_view>

namespace refocus {

// Normalised indel similarity; 100 for two empty texts.
double ratio(std::u32string_view a, std::u32string_view b);

// The best ratio of the shorter text to any part of the longer one that is as long, or shorter at its ends.
double partial_ratio(std::u32string_view a, std::u32string_view b);

// ratio of the sorted tokens joined by spaces.
double token_sort_ratio(std::u32string_view a, std::u32string_view b);

// The best ratio among the common tokens, and these with the rest of either text; 0 without tokens.
double token_set_ratio(std::u32string_view a, std::u32string_view b);

// The better of partial_ratio over sorted tokens and over the tokens of one text only; 100 where any token
// is common.
double partial_token_ratio(std::u32string_view a, std::u32string_view b);

// WRatio: ratio; and where the lengths differ by less than 1.5 times, the token ratios scaled by 0.95; else
// partial_ratio scaled by 0.9 (0.6 beyond 8 times) and partial_token_ratio by 0.95 of that. 0 where a text is
// empty.
double weighted_ratio(std::u32string_view a, std::u32string_view b);

}  // namespace refocus
