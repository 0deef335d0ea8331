#include "intervene/read_prompt.h"

#include <algorithm>
#include <utility>

namespace refocus {

std::shared_ptr<const InterventionTarget> ReadPrompt::aim(const InterventionSpec& spec,
                                                          std::int64_t count) const {
  const bool text = !pieces.empty();
  return refocus::aim(spec, {std::span(tokens).first(static_cast<std::size_t>(count)),
                             text ? &pieces : nullptr, text ? &encoded : nullptr, tokenizer});
}

TokenOrigins ReadPrompt::origins(std::int64_t generated) const {
  if (encoded.tokens.empty()) return {};
  return token_origins(pieces, encoded, std::ssize(tokens) + generated);
}

ReadPrompt read_prompt(const Tokenizer& tokenizer, Prompt pieces, PromptEnds ends,
                       std::span<const InterventionSpec> specs) {
  const bool marks =
      std::ranges::any_of(specs, [](const auto& spec) { return spec.has_keys(KeyTerm::Kind::kMarked); });
  ReadPrompt out;
  out.tokenizer = &tokenizer;
  out.pieces = marks ? read_marks(pieces) : std::move(pieces);
  out.encoded = encode_prompt(tokenizer, out.pieces, ends);
  out.tokens = out.encoded.tokens;
  return out;
}

ReadPrompt read_prompt(std::vector<std::int32_t> tokens, const Tokenizer* tokenizer) {
  ReadPrompt out;
  out.tokenizer = tokenizer;
  out.tokens = std::move(tokens);
  return out;
}

}  // namespace refocus
