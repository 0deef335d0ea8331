// The logits of every token of a prompt, as `refocus logits` writes them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "intervene/target.h"
#include "model/transformer.h"

namespace refocus {

struct PromptLogits {
  std::span<const std::int32_t> tokens;
  std::int64_t prompt_tokens = 0;  // at the beginning; the rest counts as generated
  std::int64_t context = 0;        // most tokens
  std::int64_t rows = 128;         // at a time: bounds the memory for logits
  InterventionSpec intervention = {};
  std::shared_ptr<const InterventionTarget> target =
      nullptr;                         // of the prompt tokens; null where none is needed
  LogitRows logits = LogitRows::kAll;  // kNone: for what a tap sees
  // Before a call of rows [first, first + rows): what sees their residual stream. May be empty.
  std::function<const ResidualTap*(std::int64_t first, std::int64_t rows)> tap = nullptr;
};

// Rows that go at a time under an intervention: of one that needs the whole prompt as many as a call has.
std::int64_t rows_of_logits(const InterventionSpec& spec, const Transformer& model);

// InputError where the tokens are no prompt of the model (Scheduler::check), or where the cache has no room
// for them.
void check_prompt_logits(Transformer& model, const PromptLogits& what);

// `take` gets rows one after the other, [rows, vocab_size] each, valid during the call. Errors as above.
void prompt_logits(Transformer& model, const PromptLogits& what,
                   const std::function<void(std::span<const float>)>& take);

}  // namespace refocus
