// Perplexity of a text in sliding windows, and how arms differ from a reference: which tokens count, and from
// their numbers to means and errors. No model is run here; see perplexity_run.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eval/task/estimate.h"

namespace refocus {

// Tokens [begin, end) go through the model together, and tokens [first_counted, end) are scored: each by the
// logits of the token before it. begin < first_counted <= end.
struct TextWindow {
  std::int64_t begin = 0, first_counted = 0, end = 0;
};

// The windows of https://huggingface.co/docs/transformers/perplexity over `tokens` (at least 2) tokens: they
// have `context` (at least 2) tokens and begin every `stride` (1 to context) tokens; the last one ends with
// the text and may be shorter. A window scores what none before it had, so the first one all but its first
// token and each other one its last `stride`. With stride = context, windows share nothing, and the first
// token of every one is left out, since nothing stands before it.
std::vector<TextWindow> sliding_windows(std::int64_t tokens, std::int64_t context, std::int64_t stride);

// How many tokens the windows score.
std::int64_t counted_tokens(std::span<const TextWindow> windows);

// One arm's numbers for each scored token, in the order of the text. Where the arm is the reference,
// divergence is empty.
struct TokenScores {
  std::vector<double> nll;         // negative log-likelihood, in nats
  std::vector<double> divergence;  // KL(reference || arm), in nats
  std::int64_t same_top = 0;       // tokens where both find the same next token most likely
};

struct PerplexitySummary {
  Estimate nll;         // mean, in nats a token
  Estimate perplexity;  // exp of it
  Estimate bits;        // of all scored tokens together
};

// The scores must not be empty.
PerplexitySummary summarize_perplexity(const TokenScores& arm);

struct DivergenceSummary {
  Estimate nll_difference;    // mean of arm - reference; its error is that of the paired differences
  Estimate perplexity_ratio;  // arm / reference, exp of it
  Estimate kl;                // mean KL(reference || arm), in nats a token
  double kl_median = 0, kl_p99 = 0, kl_max = 0;
  double top1_agreement = 0;  // same_top as a fraction
};

// Both must have scores of the same tokens.
DivergenceSummary summarize_divergence(const TokenScores& reference, const TokenScores& arm);

}  // namespace refocus
