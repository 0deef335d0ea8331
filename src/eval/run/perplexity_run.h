// Scores the tokens of a text in several arms: models, or one model with and without interventions.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "cluster/work_share.h"
#include "eval/score/perplexity.h"
#include "intervene/grammar/spec.h"
#include "model/transformer.h"
#include "prompt/prompt.h"
#include "tokenizer/tokenizer.h"

namespace refocus {

struct PerplexityArm {
  Transformer* model = nullptr;
  InterventionSpec intervention;
  const Tokenizer* tokenizer = nullptr;  // that keys= may need; or null
};

// Rows whose logits are held at once. Two copies of [kPerplexityRows, vocab] floats: the reference's, and
// those of the arm at hand.
inline constexpr std::int64_t kPerplexityRows = 128;

// What stands in a window, for interventions that choose keys by it: pieces, and the window's own tokens
// among them.
struct WindowPieces {
  const Prompt* pieces = nullptr;
  EncodedPrompt encoded;
};
using PiecesOf = std::function<WindowPieces(const TextWindow&)>;

// Every arm's scores of the tokens that `windows` counts; the first arm is the reference. All arms go through
// a window side by side, so the keys and values of a window are held for each arm. `tokens` lie within the
// vocabulary, which all models share. `on_window` is called after each window with the tokens it scored.
// Numbers do not depend on the threads. InputError where a logit is not finite.
std::vector<TokenScores> score_tokens(std::span<const PerplexityArm> arms,
                                      std::span<const std::int32_t> tokens,
                                      std::span<const TextWindow> windows,
                                      const std::function<void(std::int64_t)>& on_window = nullptr,
                                      const PiecesOf& pieces_of = nullptr);

// The same by several processes that have the same arms, tokens and windows; this one leads. Bit for bit the
// same.
std::vector<TokenScores> score_tokens_together(WorkShare& share, std::span<const PerplexityArm> arms,
                                               std::span<const std::int32_t> tokens,
                                               std::span<const TextWindow> windows,
                                               const std::function<void(std::int64_t)>& on_window = nullptr,
                                               const PiecesOf& pieces_of = nullptr);
// What each of them does. All must outlive it.
DoWork window_work(std::span<const PerplexityArm> arms, std::span<const std::int32_t> tokens,
                   std::span<const TextWindow> windows, const PiecesOf& pieces_of = nullptr);

}  // namespace refocus
