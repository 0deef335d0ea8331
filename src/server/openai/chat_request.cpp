#include "server/openai/api_error.h"
#include "server/openai/request_parts.h"

namespace refocus::openai {
namespace {

// Clients send the old name, the new one, or both.
std::optional<std::int64_t> read_max_tokens(const Fields& fields) {
  const std::optional<std::int64_t> before = fields.whole("max_tokens", 1, INT32_MAX);
  const std::optional<std::int64_t> now = fields.whole("max_completion_tokens", 1, INT32_MAX);
  if (before && now && *before != *now) {
    throw bad_request("max_completion_tokens",
                      "expected one number as 'max_tokens' and 'max_completion_tokens', got {} and {}; leave "
                      "one of them out",
                      *before, *now);
  }
  return now ? now : before;
}

}  // namespace

ChatRequest read_chat_request(std::string_view body) {
  const nlohmann::ordered_json json = read_body(body);
  const Fields fields(json, FieldsOf::kChat);
  ChatRequest out;
  read_generation_fields(fields, out);
  const nlohmann::ordered_json* messages = fields.find("messages");
  std::size_t room = kMostMessages;
  out.messages =
      read_messages(messages == nullptr ? nlohmann::ordered_json(nullptr) : *messages, "messages", room);
  out.max_tokens = read_max_tokens(fields);
  out.logprobs = fields.flag("logprobs", false);
  out.top_logprobs = fields.whole("top_logprobs", 0, kMostAlternatives).value_or(0);
  if (out.top_logprobs > 0 && !out.logprobs) {
    throw bad_request("top_logprobs",
                      "expected 'logprobs' to be true where 'top_logprobs' is {}; set it, or leave both out",
                      out.top_logprobs);
  }
  out.add_generation_prompt = fields.flag("add_generation_prompt", true);
  out.template_arguments = read_template_arguments(fields);
  return out;
}

}  // namespace refocus::openai
