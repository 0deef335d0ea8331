#include "eval/task/ready_prompts.h"

#include <algorithm>

#include "base/error.h"

namespace refocus {

namespace {

using Tokens = std::vector<std::int32_t>;

EncodedOptions encode_after_nothing(const Tokenizer& tokenizer, std::span<const Prompt> continuations,
                                    const std::string& where) {
  EncodedOptions out;
  std::optional<std::int32_t> first = tokenizer.bos_id();
  if (!first && !tokenizer.eos_ids().empty()) first = tokenizer.eos_ids().front();
  if (!first) {
    throw input_error(where,
                      "expected a tokenizer with a token that begins or ends a text, got none; use another");
  }
  out.context = {*first};
  for (const Prompt& continuation : continuations) {
    out.options.push_back(encode_prompt(tokenizer, continuation, PromptEnds::kNone).tokens);
    out.leads.push_back(0);
    if (out.options.back().empty()) {
      throw input_error(where, "expected a text of at least one token, got none; correct the data");
    }
  }
  return out;
}

std::size_t common_size(const Tokens& a, const Tokens& b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

EncodedOptions encode_ready(const Tokenizer& tokenizer, const ReadyPrompts& prompts, Seam seam,
                            const std::string& where) {
  REFOCUS_CHECK(!prompts.contexts.empty());
  if (prompts.contexts.size() == 1) {
    if (text_of(prompts.contexts.front()).empty()) {
      return encode_after_nothing(tokenizer, prompts.continuations, where);
    }
    return encode_options(tokenizer, prompts.contexts.front(), prompts.continuations, PromptEnds::kModel,
                          seam, where);
  }
  REFOCUS_CHECK(prompts.contexts.size() == prompts.continuations.size());
  EncodedOptions out;
  std::vector<Tokens> contexts;
  std::size_t common = 0;
  for (std::size_t k = 0; k < prompts.contexts.size(); ++k) {
    EncodedOptions one =
        encode_options(tokenizer, prompts.contexts[k], std::span(prompts.continuations).subspan(k, 1),
                       PromptEnds::kModel, seam, where);
    contexts.push_back(std::move(one.context));
    common = k == 0 ? contexts[0].size() : std::min(common, common_size(contexts[0], contexts[k]));
    out.options.push_back(std::move(one.options.front()));
    out.leads.push_back(one.leads.front());
    out.over_seam += one.over_seam;
  }
  if (common == 0) {
    throw input_error(
        where, "expected questions that begin with the same token, got different ones; add a description");
  }
  const auto kept = static_cast<std::ptrdiff_t>(common);
  out.context.assign(contexts[0].begin(), contexts[0].begin() + kept);
  for (std::size_t k = 0; k < contexts.size(); ++k) {
    out.options[k].insert(out.options[k].begin(), contexts[k].begin() + kept, contexts[k].end());
    out.leads[k] += std::ssize(contexts[k]) - kept;
  }
  return out;
}

}  // namespace refocus
