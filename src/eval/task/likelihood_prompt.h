// The context and the options whose log-likelihoods answer an item, by the task's LikelihoodWording. The
// built-in tasks are worded as lm-evaluation-harness words them (docs/loglikelihood.md).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/task/item.h"
#include "eval/task/task_kind.h"
#include "prompt/prompt.h"
#include "tokenizer/tokenizer.h"

namespace refocus {

// The task must have a wording in the functions that take it, but for is_length_normalised. Words of the task
// are template text, fields and options of items data.

// What all items of a subject begin with: description and worked examples (shot 0, 1, ...); may be empty.
Prompt likelihood_prefix(const TaskKind& task, std::string_view subject, std::span<const Item> examples);

// The item's own part, which follows the prefix.
Prompt likelihood_context(const TaskKind& task, const Item& item);

// One an option, with the blank before it.
std::vector<Prompt> likelihood_continuations(const TaskKind& task, const Item& item);

// Whether options differ in length, so that acc_norm is reported beside acc.
bool is_length_normalised(const TaskKind& task);

// Where an option's tokens begin, of those of context and option together.
enum class Seam {
  kDifference,  // with the first that the context alone does not have there, so that every byte of the option
                // is scored: a token that holds the end of the context and the option's beginning is too
  kLmEval,      // after as many as the context alone has, as lm-evaluation-harness counts them: such a token
                // is lost, and where the option joins the context's last token so is what it says
};

// "difference", "lm-eval"; and back: UsageError for another.
std::string_view name_of(Seam seam);
Seam parse_seam(std::string_view name);

// Token ids of a context (with the BOS that the model's tokenizer puts before a prompt) and its options.
struct EncodedOptions {
  std::vector<std::int32_t> context;
  std::vector<std::vector<std::int32_t>> options;  // none of them empty
  // Of each option, tokens at its beginning that are the context's: not scored. Options differ in them where
  // one of them has a token over the seam and another has not.
  std::vector<std::int64_t> leads;
  int over_seam = 0;  // options with a token that holds the context's end too
};

// White space at the context's end goes over to the options, but in a conversation (PromptEnds::kBegin),
// whose template ends it. InputError, beginning with `where`, where a context or an option comes out without
// tokens, or nothing is left before an option.
EncodedOptions encode_options(const Tokenizer& tokenizer, const Prompt& context,
                              std::span<const Prompt> continuations, PromptEnds ends, Seam seam,
                              const std::string& where);

}  // namespace refocus
