#include "server/openai/api_error.h"
#include "server/openai/request_parts.h"

namespace refocus::openai {
namespace {

// The one of the three fields that is there.
std::string_view named_input(const Fields& fields) {
  std::string_view out;
  for (const std::string_view name : {"prompt", "messages", "content"}) {
    if (!fields.has(name)) continue;
    if (!out.empty()) {
      throw bad_request(
          name, "expected one of 'prompt', 'messages' and 'content', got '{}' and '{}'; leave one out", out,
          name);
    }
    out = name;
  }
  if (out.empty()) {
    throw bad_request("prompt", "expected one of 'prompt', 'messages' and 'content', got none; add one");
  }
  return out;
}

}  // namespace

TokenizeRequest read_tokenize_request(std::string_view body) {
  const nlohmann::ordered_json json = read_body(body);
  const Fields fields(json, FieldsOf::kTokenize);
  fields.refuse_unsupported();
  TokenizeRequest out;
  out.model = fields.text("model", kLongestSpec).value_or("");
  const std::string_view name = named_input(fields);
  const nlohmann::ordered_json& input = *fields.find(name);
  out.llama_cpp = name == "content";
  const bool messages = name == "messages" || (name == "prompt" && is_message_list(input));
  if (messages) {
    std::size_t room = kMostMessages;
    out.prompt = read_messages(input, std::string(name), room);
  } else {
    if (!input.is_string()) refuse_value(std::string(name), "a text", input);
    out.prompt = input.get<std::string>();
  }
  // A template writes the BOS itself, so vLLM adds none to what it made; llama.cpp never does unasked.
  out.add_special_tokens =
      fields.flag("add_special_tokens", fields.flag("add_special", !messages && !out.llama_cpp));
  if (fields.has("parse_special")) out.parse_special = fields.flag("parse_special", false);
  out.pieces = fields.flag("with_pieces", false) || fields.flag("return_token_strs", false);
  out.add_generation_prompt = fields.flag("add_generation_prompt", true);
  out.template_arguments = read_template_arguments(fields);
  return out;
}

DetokenizeRequest read_detokenize_request(std::string_view body) {
  const nlohmann::ordered_json json = read_body(body);
  const Fields fields(json, FieldsOf::kDetokenize);
  DetokenizeRequest out;
  out.model = fields.text("model", kLongestSpec).value_or("");
  const nlohmann::ordered_json* tokens = fields.find("tokens");
  if (tokens == nullptr) refuse_value("tokens", "a list of token numbers", nullptr);
  out.tokens = whole_numbers(*tokens, "tokens", 0, INT32_MAX);
  return out;
}

}  // namespace refocus::openai
