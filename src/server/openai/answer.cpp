#include "server/openai/answer.h"

#include "base/json_reader.h"
#include "base/utf8.h"
#include "prompt/answer_end.h"

namespace refocus::openai {
namespace {

using nlohmann::ordered_json;

ordered_json whole_answer(const Answer& answer, std::string_view object, ordered_json choices) {
  const AnswerHead& head = answer.head;
  return {{"id", head.id},
          {"object", object},
          {"created", head.created},
          {"model", head.model},
          {"system_fingerprint", head.fingerprint},
          {"choices", std::move(choices)},
          {"usage", usage_json(answer.usage)},
          {"refocus", refocus_json(answer.refocus)}};
}

}  // namespace

std::string_view finish_word(std::string_view finish_reason) {
  return finish_reason == kFinishLength ? kFinishLength : kFinishStop;
}

ordered_json usage_json(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt},
          {"completion_tokens", usage.completion},
          {"total_tokens", usage.prompt + usage.completion},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached}}}};
}

ordered_json refocus_json(const RefocusFacts& facts) {
  ordered_json out = {
      {"intervention", facts.intervention ? ordered_json(*facts.intervention) : ordered_json()},
      {"ignored", facts.ignored}};
  if (facts.attention.size() == 1) out["attention"] = receipt_json(facts.attention[0]);
  if (facts.attention.size() > 1) {
    out["attention"] = ordered_json::array();
    for (const AttentionReceipt& receipt : facts.attention) out["attention"].push_back(receipt_json(receipt));
  }
  return out;
}

std::string completion_answer(const Answer& answer) {
  ordered_json choices = ordered_json::array();
  for (const Choice& choice : answer.choices) {
    ordered_json one = {{"index", choice.index},
                        {"text", replace_invalid_utf8(choice.text)},
                        {"logprobs", choice.tokens ? completion_logprobs(*choice.tokens) : ordered_json()},
                        {"finish_reason", finish_word(choice.finish_reason)}};
    if (choice.prompt_tokens) one["prompt_logprobs"] = prompt_logprobs(*choice.prompt_tokens);
    choices.push_back(std::move(one));
  }
  return json_text(whole_answer(answer, "text_completion", std::move(choices)));
}

std::string chat_answer(const Answer& answer) {
  ordered_json choices = ordered_json::array();
  for (const Choice& choice : answer.choices) {
    choices.push_back(
        {{"index", choice.index},
         {"message",
          {{"role", "assistant"}, {"content", replace_invalid_utf8(choice.text)}, {"refusal", nullptr}}},
         {"logprobs", choice.tokens ? chat_logprobs(*choice.tokens) : ordered_json()},
         {"finish_reason", finish_word(choice.finish_reason)}});
  }
  ordered_json out = whole_answer(answer, "chat.completion", std::move(choices));
  if (!answer.choices.empty() && answer.choices[0].prompt_tokens) {
    out["prompt_logprobs"] = prompt_logprobs(*answer.choices[0].prompt_tokens);
  }
  return json_text(out);
}

}  // namespace refocus::openai
