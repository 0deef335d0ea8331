// Prompts that are made before a task is asked, where neither a profile nor a wording makes them: those of
// tasks as lm-evaluation-harness writes them (eval/harness).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "eval/task/likelihood_prompt.h"
#include "prompt/prompt.h"

namespace refocus {

struct ReadyPrompts {
  std::vector<Prompt> contexts;       // one, or one for each continuation
  std::vector<Prompt> continuations;  // log-likelihood mode: one an option
};

// As encode_options. An empty context is the token that begins a text: BOS, or else the first end of a text.
// Of several contexts what they begin with alike becomes the context, and what follows it leads its option.
// InputError where they begin with different tokens, and where a text of an option has no tokens.
EncodedOptions encode_ready(const Tokenizer& tokenizer, const ReadyPrompts& prompts, Seam seam,
                            const std::string& where);

}  // namespace refocus
