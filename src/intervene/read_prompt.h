// A prompt as it is computed with: its tokens, where they are from, and what an intervention acts on in it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "intervene/grammar/spec.h"
#include "intervene/target.h"
#include "prompt/origins.h"
#include "prompt/prompt.h"

namespace refocus {

struct ReadPrompt {
  std::vector<std::int32_t> tokens;
  Prompt pieces;                         // none of a prompt of ids
  EncodedPrompt encoded;                 // of the pieces
  const Tokenizer* tokenizer = nullptr;  // or null

  // Where its tokens are from, and `generated` ones after them; nothing of a prompt of ids.
  TokenOrigins origins(std::int64_t generated = 0) const;
  // What an intervention acts on in it, or in its first `count` tokens; null where that does not depend on
  // the prompt. UsageError as refocus::aim.
  std::shared_ptr<const InterventionTarget> aim(const InterventionSpec& spec) const {
    return aim(spec, std::ssize(tokens));
  }
  std::shared_ptr<const InterventionTarget> aim(const InterventionSpec& spec, std::int64_t count) const;
};

// Marks (<< >>) are read where one of the interventions asks for them.
ReadPrompt read_prompt(const Tokenizer& tokenizer, Prompt pieces, PromptEnds ends,
                       std::span<const InterventionSpec> specs);
// Token ids as they are; `tokenizer` may be null.
ReadPrompt read_prompt(std::vector<std::int32_t> tokens, const Tokenizer* tokenizer);

}  // namespace refocus
