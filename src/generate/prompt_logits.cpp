#include "generate/prompt_logits.h"

#include <algorithm>

#include "base/error.h"
#include "generate/scheduler.h"
#include "intervene/intervention_pool.h"

namespace refocus {

std::int64_t rows_of_logits(const InterventionSpec& spec, const Transformer& model) {
  constexpr std::int64_t kRows = 128;
  return spec.needs_whole_prompt() ? model.max_rows() : std::min(kRows, model.max_rows());
}

void check_prompt_logits(Transformer& model, const PromptLogits& what) {
  // A context of one more than the tokens: nothing is generated, so the prompt may fill it.
  Scheduler(model, {1, what.context + 1, kv_bytes(model.config(), 1, model.kv_type())}).check(what.tokens);
  check_whole_prompt(what.intervention, what.prompt_tokens, what.rows);
}

void prompt_logits(Transformer& model, const PromptLogits& what,
                   const std::function<void(std::span<const float>)>& take) {
  check_prompt_logits(model, what);
  const std::int64_t count = std::ssize(what.tokens);
  KvPool pool = kv_pool_of(model, kv_bytes(model.config(), count, model.kv_type(), what.rows));
  KvSequence sequence(pool);
  if (!sequence.reserve(count, what.rows))
    throw input_error("cache", "expected memory for {} tokens, got too little", count);
  Intervention intervention(what.intervention, shape_of(model));
  intervention.aim(what.target);
  for (std::int64_t first = 0; first < count;) {
    // The prompt, and then what counts as generated, token by token where that matters.
    const bool later = first >= what.prompt_tokens;
    std::int64_t now = std::min(what.rows, (later ? count : what.prompt_tokens) - first);
    if (later && model.keys_depend_on_length(first + now)) now = 1;
    const auto of_call = what.tokens.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(now));
    const SequenceInput input{&sequence,
                              of_call,
                              std::max(what.prompt_tokens, first + now),
                              intervention.hooks(),
                              what.logits,
                              what.tap ? what.tap(first, now) : nullptr};
    take(model.forward({&input, 1}));
    first += now;
  }
}

}  // namespace refocus
