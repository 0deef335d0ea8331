// Tokens with their log-probabilities, as the API's three forms have them.
//
// Log-probabilities are natural logarithms. They are written with as many digits as give back the same
// double, so that a client that adds them up gets the bits that this program would get; NaN and the
// infinities, which JSON lacks, become -9999.0 as in vLLM.
//
// How a token is spelt: the bytes it decodes to, with U+FFFD for what is no UTF-8 (half a character); a
// special token by its own spelling ("</s>"). Two tokens can then be spelt alike. In a completion's
// top_logprobs, whose keys are spellings, the more probable one is kept, so that the largest value is always
// that of the best token: lm-evaluation-harness takes a token for the greedy one where it equals that. A
// chat's `bytes` and prompt_logprobs, whose keys are numbers, tell them apart.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/tokenizer.h"

namespace refocus::openai {

struct TokenScore {
  std::int32_t id = 0;
  std::string bytes;
  double logprob = 0;
  std::int64_t rank = 0;  // 1: the most probable; 0: not known, which is written as null
};

// `id` with its spelling; one that the vocabulary lacks (a padded row of the model) is spelt as nothing.
TokenScore token_score(const Tokenizer& tokenizer, std::int32_t id, double logprob, std::int64_t rank = 0);

struct ScoredToken {
  TokenScore token;
  bool scored = true;           // false: the first token of a prompt, which follows nothing
  std::vector<TokenScore> top;  // the most probable ones, best first; the token itself need not be there
  std::int64_t offset = 0;      // TextOffsets
};

// Where each token's text begins in the text of all: characters (code points) before it, as Python counts. A
// token that goes on with a character begins where that character does, and one that has no text in an answer
// (a special token) where the next one does. The space that some tokenizers take away from the start of a
// text is not counted.
class TextOffsets {
 public:
  // `tokenizer` must outlive this.
  explicit TextOffsets(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::int64_t next(std::int32_t id);

 private:
  const Tokenizer& tokenizer_;
  Utf8Assembler assembler_{Utf8Assembler::Custom::kMaximalSubpart};
  bool at_start_ = true;
  std::int64_t characters_ = 0;
};

// What JSON can hold of it.
double written_logprob(double logprob);

// Completions: {tokens, token_logprobs, top_logprobs, text_offset}. Each top_logprobs has the token itself;
// of a token that is not scored both are null.
nlohmann::ordered_json completion_logprobs(std::span<const ScoredToken> tokens);

// Chats: {content: [{token, logprob, bytes, top_logprobs}], refusal: null}.
nlohmann::ordered_json chat_logprobs(std::span<const ScoredToken> tokens);

// vLLM's prompt_logprobs: a list of null or {"ID": {logprob, rank, decoded_token}}, the token itself first.
nlohmann::ordered_json prompt_logprobs(std::span<const ScoredToken> tokens);

}  // namespace refocus::openai
