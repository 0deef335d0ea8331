// Kinds of tokens, as attention statistics tell them apart; the rules are in docs/attention.md.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace refocus {

enum class TokenClass : std::int32_t {
  kSpecial,
  kPunctuation,
  kWhiteSpace,
  kFunctionWord,
  kNumber,
  kContent,
  kUnknown,  // without a tokenizer
};
inline constexpr std::size_t kTokenClasses = 7;

// "special", "punctuation", ...
std::string_view token_class_name(TokenClass token_class);
// Control tokens, punctuation, white space and function words.
constexpr bool is_non_semantic(TokenClass c) { return c <= TokenClass::kFunctionWord; }

// The class of each token of a text; kUnknown for all where `tokenizer` is null, and for ids that it lacks.
std::vector<TokenClass> classify_tokens(const Tokenizer* tokenizer, std::span<const std::int32_t> ids);

}  // namespace refocus
