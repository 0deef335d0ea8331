// Random tokens, repeated: what induction heads are looked for with (Olsson et al. 2022, arXiv 2209.11895).
#pragma once

#include <cstdint>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace refocus {

struct StimulusSettings {
  std::int64_t length = 50;     // tokens that are drawn for a sequence
  std::int64_t sequences = 10;  // how many
  std::uint64_t seed = 0;
};

// Each: what the tokenizer puts before a prompt (mostly the BOS, or nothing), then `length` different tokens,
// then the same again. Drawn evenly among the vocabulary's ordinary tokens with an id below `vocabulary` (the
// model's): no special, added or byte ones, none without text, none that are spelled as unused
// ("<unused7>"). InputError where there are fewer than `length`.
std::vector<std::vector<std::int32_t>> repeated_sequences(const Tokenizer& tokenizer, std::int64_t vocabulary,
                                                          const StimulusSettings& settings);

}  // namespace refocus
