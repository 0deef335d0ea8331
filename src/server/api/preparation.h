// A request of the API as sequences for the engine: texts and conversations become tokens, a SPEC an
// intervention that is aimed at them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "prompt/answer_end.h"
#include "server/api/served_model.h"
#include "server/engine/engine.h"
#include "server/openai/request.h"

namespace refocus::server {

struct PreparedPrompt {
  std::vector<std::int32_t> tokens;
  std::string text;  // for echo
  std::shared_ptr<const InterventionTarget> target;
};

// What decides one request's answer.
struct Prepared {
  std::string canonical;  // the intervention
  InterventionSpec intervention;
  std::vector<PreparedPrompt> prompts;
  std::int64_t max_tokens = 0;  // of an answer; 0: prompts are scored alone
  AnswerEnds ends;
  std::vector<std::int32_t> eos;
  SamplingOptions sampling;
  std::int64_t n = 1, priority = 0;
  std::optional<std::int64_t> logprobs;         // of generated tokens
  std::optional<std::int64_t> prompt_logprobs;  // of the prompts' tokens
};

// `header`: what X-Refocus-Intervene says. ApiError for what the request cannot be given: another model, two
// interventions that differ, no chat template, too many tokens.
Prepared prepare(const openai::CompletionRequest& request, const ServedModel& model, const Engine& engine,
                 const std::optional<std::string>& header);
Prepared prepare(const openai::ChatRequest& request, const ServedModel& model, const Engine& engine,
                 const std::optional<std::string>& header);

// The tokens of /tokenize. ApiError as above.
std::vector<std::int32_t> tokens_of(const openai::TokenizeRequest& request, const ServedModel& model);

// Choice j of prompt p, in the order of choices (p * n + j), but for the callbacks.
std::vector<Job> jobs_of(const Prepared& prepared, const Tokenizer& tokenizer);

}  // namespace refocus::server
