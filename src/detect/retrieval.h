// Retrieval heads (Wu et al. 2024, arXiv 2404.15574): heads that look at the token of the needle that is
// being copied.
//
// A prompt is continued greedily. Where the key with the largest weight of the row that produced a token is
// in the needle and is that same token, the head gets 1 / (the needle's tokens). Prompts whose reply has at
// most half of the needle's words do not count.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "detect/watched_run.h"
#include "tokenizer/tokenizer.h"

namespace refocus {

struct NeedlePrompt {
  std::vector<std::int32_t> tokens;
  std::int64_t begin = 0, end = 0;  // of the needle: [begin, end) of the tokens, not empty
  std::string answer;               // the needle's words
};

struct RetrievalSettings {
  std::int64_t max_new_tokens = 50;       // as published
  std::vector<std::int32_t> stop_tokens;  // beside tokens with a line end, where the published code stops too
};

// Of one prompt.
struct RetrievalReply {
  std::string text;
  double recall = 0;           // rouge1_recall of the answer
  std::vector<double> scores;  // [layers, heads]

  bool counts() const { return recall > 0.5; }
};

// The prompt and max_new_tokens after it must fit into the model's context.
RetrievalReply measure_retrieval(Transformer& model, const Tokenizer& tokenizer, const NeedlePrompt& prompt,
                                 const RetrievalSettings& settings);

// Mean scores of the replies that count, [layers * heads]; NaN where none does.
std::vector<double> mean_retrieval(std::span<const RetrievalReply> replies, std::size_t heads);

}  // namespace refocus
