// Answers of the OpenAI API as JSON text (https://platform.openai.com/docs/api-reference), one line each.
//
// Beside OpenAI's fields an answer has `refocus`: {intervention, ignored, attention}, which clients pass over
// or keep. Two answers to one request differ in `id` and `created` alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/openai/attention_answer.h"
#include "server/openai/scored_token.h"

namespace refocus::openai {

// What all parts of an answer say of it.
struct AnswerHead {
  std::string id;            // "cmpl-..." or "chatcmpl-..."
  std::int64_t created = 0;  // seconds since 1970
  std::string model;         // as the client named it
  std::string fingerprint;   // system_fingerprint: equal where equal requests have equal answers
};

struct Usage {
  std::int64_t prompt = 0;      // tokens of all prompts
  std::int64_t completion = 0;  // tokens of all answers
  std::int64_t cached = 0;      // of the prompts' tokens those that were not computed again
};

struct RefocusFacts {
  std::optional<std::string> intervention;  // the canonical SPEC
  std::vector<std::string> ignored;         // GenerationRequest::ignored
  std::vector<AttentionReceipt> attention;  // of each choice whose attention was asked for
};

struct Choice {
  std::int64_t index = 0;  // prompt * n + choice
  std::string text;
  std::string_view finish_reason;  // of prompt/answer_end.h: kFinishEos, kFinishStop or kFinishLength
  std::optional<std::vector<ScoredToken>> tokens;         // where log-probabilities were asked for
  std::optional<std::vector<ScoredToken>> prompt_tokens;  // where prompt_logprobs were
};

struct Answer {
  AnswerHead head;
  std::vector<Choice> choices;  // by index
  Usage usage;
  RefocusFacts refocus;
};

std::string completion_answer(const Answer& answer);
// prompt_logprobs stand beside the choices here, as in vLLM: those of the first.
std::string chat_answer(const Answer& answer);

// The API's word: "stop" or "length".
std::string_view finish_word(std::string_view finish_reason);

nlohmann::ordered_json usage_json(const Usage& usage);
nlohmann::ordered_json refocus_json(const RefocusFacts& facts);

}  // namespace refocus::openai
