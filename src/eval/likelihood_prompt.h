// The context and the options whose log-likelihoods answer an item, worded as lm-evaluation-harness words
// them (facts only: its tasks mmlu, piqa and social_iqa; docs/loglikelihood.md).
//
//   mmlu    "The following are multiple choice questions (with answers) about SUBJECT.\n\n", worked examples
//           each followed by "\n\n", then the question without white space around it, "\nA. ..." to "\nD.
//           ...",
//           "\nAnswer:"; options " A" to " D"
//   worlds  the same without the first line and without examples
//   piqa    "Question: GOAL\nAnswer:"; options " SOL"
//   siqa    "Q: CONTEXT QUESTION\nA:"; options " ANSWER"
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/item.h"
#include "tokenizer/tokenizer.h"

namespace refocus {

// What all items of a subject begin with: description and worked examples; may be empty.
std::string likelihood_prefix(std::string_view task, std::string_view subject,
                              std::span<const Item> examples);

// The item's own part, which follows the prefix.
std::string likelihood_context(std::string_view task, const Item& item);

// One an option, with the blank before it.
std::vector<std::string> likelihood_continuations(std::string_view task, const Item& item);

// Whether options differ in length, so that acc_norm is reported beside acc.
bool is_length_normalised(std::string_view task);

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
