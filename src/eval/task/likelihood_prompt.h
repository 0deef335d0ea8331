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
#include "tokenizer/tokenizer.h"

namespace refocus {

// The task must have a wording in the functions that take it, but for is_length_normalised.

// What all items of a subject begin with: description and worked examples; may be empty.
std::string likelihood_prefix(const TaskKind& task, std::string_view subject, std::span<const Item> examples);

// The item's own part, which follows the prefix.
std::string likelihood_context(const TaskKind& task, const Item& item);

// One an option, with the blank before it.
std::vector<std::string> likelihood_continuations(const TaskKind& task, const Item& item);

// Whether options differ in length, so that acc_norm is reported beside acc.
bool is_length_normalised(const TaskKind& task);

// Token ids of a context (with the BOS that the model's tokenizer puts before a prompt) and its options.
struct EncodedOptions {
  std::vector<std::int32_t> context;
  std::vector<std::vector<std::int32_t>> options;  // none of them empty
};

// White space at the context's end goes over to the options. An option's tokens are those of context and
// option together after as many as the context alone has. InputError, beginning with `where`, where a context
// or an option comes out without tokens.
EncodedOptions encode_options(const Tokenizer& tokenizer, std::string_view context,
                              std::span<const std::string> continuations, const std::string& where);

}  // namespace refocus
