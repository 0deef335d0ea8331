// Where the tokens of a prompt come from: in words, and as groups of tokens that statistics tell apart.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "prompt/prompt.h"

namespace refocus {

enum class OriginKind { kTemplate, kData, kTokenizer, kGenerated, kRole, kField, kOption, kShot, kMarked };

// Tokens that have something of their origin in common. Each token is of exactly one of the first four kinds,
// and of any number of the others.
struct OriginGroup {
  OriginKind kind = OriginKind::kTemplate;
  int number = -1;         // of a shot
  std::string value = {};  // of a role, a field, an option

  auto operator<=>(const OriginGroup&) const = default;  // the order in which groups are listed

  // "template", "data", "tokenizer", "generated", "option:A", and as keys= of an intervention chooses them
  // "role:user", "field:question", "shot:3", "marked".
  std::string name() const;
};

// Neighbours of the same groups: the tokens from `begin` to before `end`.
struct OriginRun {
  std::int64_t begin = 0, end = 0;
  std::vector<OriginGroup> groups;  // ascending
};

struct TokenOrigins {
  std::vector<std::string> texts;  // of each token: origin_text of its piece, "tokenizer" or "generated"
  std::vector<OriginRun> runs;     // of all tokens, in their order
};

// Of a prompt's tokens, and of those that were generated after them: `tokens` in all.
TokenOrigins token_origins(const Prompt& prompt, const EncodedPrompt& encoded, std::int64_t tokens);

}  // namespace refocus
