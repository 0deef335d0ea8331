// Rewrites a regular expression of a tokenizer.json (Oniguruma's dialect) as PCRE2 with UTF and UCP reads it.
//
// The two agree on most of what tokenizers use. What differs is spelt out: white space and word characters
// (PCRE2's \s takes in U+180E, its \w lacks marks), \v, \u1234 and script names (PCRE2 means script
// extensions). Constructs that the two read differently and that no known tokenizer uses are refused.
// Oniguruma: https://github.com/kkos/oniguruma/blob/master/doc/RE; PCRE2: pcre2pattern(3).
#pragma once

#include <string>
#include <string_view>

namespace refocus {

// InputError (naming `where`) for what cannot be carried over.
std::string pcre2_pattern(const std::string& where, std::string_view pattern);

}  // namespace refocus
