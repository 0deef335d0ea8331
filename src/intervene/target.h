// Aiming an intervention: which keys and rows of one prompt its parts act on.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "intervene/grammar/key_ranges.h"
#include "intervene/grammar/spec.h"
#include "prompt/prompt.h"

namespace refocus {

class HeadOutputs;  // intervene/head_outputs.h

struct InterventionTarget {
  std::int64_t prompt = 0;      // tokens of the prompt; what comes after them is generated
  std::vector<KeyRanges> keys;  // of each part: [parts]
  // Of each token of the prompt, whose keys and rows it is among. Sequences under one intervention may share
  // what was computed for a beginning where tokens and marks are the same.
  std::vector<std::uint32_t> marks;
  // The parts whose keys= chose nothing of this prompt, as canonical texts of the selectors.
  std::vector<std::string> unmatched;
  // Of functions of the program's own (intervene/own_change.h): the prompt's tokens and how the vocabulary
  // spells them, where there is a tokenizer. Where no part is such a function, none.
  std::vector<std::int32_t> tokens;
  std::vector<std::string> pieces;
  // Of activation patching: what its heads put out instead, and what is to be filled with what they put out.
  std::shared_ptr<const HeadOutputs> given = nullptr;
  std::shared_ptr<HeadOutputs> taken = nullptr;
};

// What a selector sees of a prompt.
struct TargetPrompt {
  std::span<const std::int32_t> tokens;
  const Prompt* pieces = nullptr;          // null for a prompt of ids alone
  const EncodedPrompt* encoded = nullptr;  // of `pieces`; its first tokens are `tokens`, or all but the last
  const Tokenizer* tokenizer = nullptr;    // or null, without one
};

// Null where the intervention acts on every prompt alike, and no function of the program's own is in it.
// UsageError where a selector needs what the prompt has not: pieces, or a tokenizer.
std::shared_ptr<const InterventionTarget> aim(const InterventionSpec& spec, const TargetPrompt& prompt);

// The same of a prompt that was encoded whole.
std::shared_ptr<const InterventionTarget> aim(const InterventionSpec& spec, const Tokenizer& tokenizer,
                                              const Prompt& pieces, const EncodedPrompt& encoded);

}  // namespace refocus
