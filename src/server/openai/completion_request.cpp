#include "base/json_reader.h"
#include "server/openai/api_error.h"
#include "server/openai/request_parts.h"

namespace refocus::openai {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kPromptForms =
    "a text, a list of token numbers, a list of messages, or a list of those";

std::vector<std::int32_t> token_prompt(const ordered_json& value, const std::string& path) {
  if (value.empty()) refuse_value(path, "at least one token", value);
  return whole_numbers(value, path, 0, INT32_MAX);
}

// One item of a list of prompts.
PromptInput one_prompt(const ordered_json& value, const std::string& path, std::size_t& room) {
  if (value.is_string()) return value.get<std::string>();
  if (is_message_list(value)) return read_messages(value, path, room);
  if (value.is_array()) return token_prompt(value, path);
  refuse_value(path, "a text, a list of token numbers or a list of messages", value);
}

// What the first item is tells what the whole is.
std::vector<PromptInput> read_prompts(const Fields& fields) {
  const ordered_json* value = fields.find("prompt");
  if (value == nullptr) refuse_value("prompt", kPromptForms, ordered_json(nullptr));
  std::size_t room = kMostMessages;
  std::vector<PromptInput> out;
  if (value->is_string()) {
    out.emplace_back(value->get<std::string>());
  } else if (!value->is_array() || value->empty()) {
    refuse_value("prompt", kPromptForms, *value);
  } else if ((*value)[0].is_number()) {
    out.emplace_back(token_prompt(*value, "prompt"));
  } else if (is_message_list(*value)) {
    out.emplace_back(read_messages(*value, "prompt", room));
  } else {
    if (value->size() > kMostPrompts) {
      throw bad_request("prompt", "expected at most {} prompts a request, got {}; send several requests",
                        kMostPrompts, value->size());
    }
    for (std::size_t i = 0; i < value->size(); ++i) {
      out.push_back(one_prompt((*value)[i], fmt::format("prompt[{}]", i), room));
    }
  }
  return out;
}

}  // namespace

CompletionRequest read_completion_request(std::string_view body) {
  const ordered_json json = read_body(body);
  const Fields fields(json, FieldsOf::kCompletion);
  CompletionRequest out;
  read_generation_fields(fields, out);
  out.prompts = read_prompts(fields);
  out.max_tokens = fields.whole("max_tokens", 0, INT32_MAX).value_or(kCompletionTokens);
  out.echo = fields.flag("echo", false);
  out.logprobs = fields.whole("logprobs", 0, kMostAlternatives);
  out.add_special_tokens = fields.flag("add_special_tokens", true);
  return out;
}

}  // namespace refocus::openai
