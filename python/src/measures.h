// What a model says of texts that are there: logits, log-likelihoods, the residual stream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eval/task/likelihood_prompt.h"
#include "eval/task/option_likelihood.h"
#include "model.h"

namespace refocus::python {

// Of one array: rows one after the other.
struct FloatArray {
  std::unique_ptr<std::vector<float>> values;
  std::vector<std::size_t> shape;
};

// [tokens, vocab_size] of `refocus logits`. `prompt_tokens` of them are the prompt; all where not given.
FloatArray logits(Model& model, const ReadPrompt& prompt, const std::string& spec,
                  std::optional<std::int64_t> prompt_tokens);

// The residual stream before the first layer and after each: [layers + 1, tokens, hidden_size], of these
// places of it.
FloatArray hidden(Model& model, const ReadPrompt& prompt, const std::string& spec,
                  const std::vector<std::int64_t>& places);

// A context with what may follow it.
struct ScoredContext {
  KeptPrompt context;
  std::vector<std::vector<std::int32_t>> options;  // none of them empty
  std::vector<std::int64_t> leads;                 // of each, tokens that are not scored; or none
};

// Of texts, as `refocus eval --loglikelihood` encodes a question and its options.
ScoredContext read_options(const Model& model, const std::string& context,
                           const std::vector<std::string>& options, const std::string& seam,
                           const InterventionSpec& spec);

// [contexts][options], `batch` contexts at once.
std::vector<std::vector<OptionLikelihood>> loglikelihoods(Model& model,
                                                          const std::vector<ScoredContext>& contexts,
                                                          const std::string& spec, std::int64_t batch);

}  // namespace refocus::python
