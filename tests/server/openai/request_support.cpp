#include "request_support.h"

#include <stdexcept>

namespace refocus::openai::testing {
namespace {

using nlohmann::ordered_json;

template <class T>
ordered_json value_or_null(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json of_messages(const std::vector<ChatMessage>& messages) {
  ordered_json out = ordered_json::array();
  for (const ChatMessage& message : messages) {
    ordered_json one = {{"role", message.role}};
    if (!message.content.empty() || !message.members.contains("content"))
      one["content"] = text_of(message.content);
    for (const auto& [name, value] : message.members.items()) one[name] = value;
    out.push_back(std::move(one));
  }
  return out;
}

ordered_json of_prompt(const PromptInput& prompt) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return *text;
  if (const auto* tokens = std::get_if<std::vector<std::int32_t>>(&prompt)) return *tokens;
  return of_messages(std::get<std::vector<ChatMessage>>(prompt));
}

ordered_json of_attention(const AttentionRequest& attention) {
  constexpr const char* kQueries[] = {"generated", "all", "listed"};
  return {{"layers", attention.layers},
          {"heads", attention.heads},
          {"queries", kQueries[static_cast<int>(attention.queries)]},
          {"rows", attention.rows},
          {"top_k", attention.top_k},
          {"mean_heads", attention.mean_heads},
          {"before", attention.before},
          {"inline", attention.inline_rows}};
}

ordered_json of_generation(const GenerationRequest& request) {
  return {
      {"model", request.model},
      {"temperature", request.sampling.temperature},
      {"top_p", request.sampling.top_p},
      {"top_k", request.sampling.top_k},
      {"min_p", request.sampling.min_p},
      {"priority", request.priority},
      {"seed", value_or_null(request.sampling.seed)},
      {"n", request.n},
      {"stop", request.stop},
      {"stream", request.stream},
      {"include_usage", request.include_usage},
      {"prompt_logprobs", value_or_null(request.prompt_logprobs)},
      {"intervene", value_or_null(request.refocus.intervene)},
      {"attention", request.refocus.attention ? of_attention(*request.refocus.attention) : ordered_json()},
      {"ignored", request.ignored}};
}

ordered_json of_completion(const CompletionRequest& request) {
  ordered_json out = of_generation(request);
  out["prompts"] = ordered_json::array();
  for (const PromptInput& prompt : request.prompts) out["prompts"].push_back(of_prompt(prompt));
  out["max_tokens"] = request.max_tokens;
  out["echo"] = request.echo;
  out["logprobs"] = value_or_null(request.logprobs);
  out["add_special_tokens"] = request.add_special_tokens;
  return out;
}

ordered_json of_chat(const ChatRequest& request) {
  ordered_json out = of_generation(request);
  out["messages"] = of_messages(request.messages);
  out["max_tokens"] = value_or_null(request.max_tokens);
  out["logprobs"] = request.logprobs;
  out["top_logprobs"] = request.top_logprobs;
  out["add_generation_prompt"] = request.add_generation_prompt;
  out["template_arguments"] = request.template_arguments;
  return out;
}

ordered_json of_tokenize(const TokenizeRequest& request) {
  return {{"model", request.model},
          {"prompt", of_prompt(request.prompt)},
          {"add_special_tokens", request.add_special_tokens},
          {"parse_special", value_or_null(request.parse_special)},
          {"pieces", request.pieces},
          {"llama_cpp", request.llama_cpp},
          {"add_generation_prompt", request.add_generation_prompt},
          {"template_arguments", request.template_arguments}};
}

}  // namespace

ordered_json described(std::string_view endpoint, std::string_view body) {
  if (endpoint == "/v1/completions") return of_completion(read_completion_request(body));
  if (endpoint == "/v1/chat/completions") return of_chat(read_chat_request(body));
  if (endpoint == "/tokenize") return of_tokenize(read_tokenize_request(body));
  if (endpoint != "/detokenize") throw std::logic_error("no reader of " + std::string(endpoint));
  const DetokenizeRequest request = read_detokenize_request(body);
  return {{"model", request.model}, {"tokens", request.tokens}};
}

std::string refusal(std::string_view endpoint, std::string_view body) {
  try {
    described(endpoint, body);
  } catch (const ApiError& e) {
    const ApiFault& fault = e.fault();
    return fmt::format("{} {} {} {}", fault.status, fault.code.empty() ? "-" : fault.code,
                       fault.param.empty() ? "-" : fault.param, e.what());
  }
  return "no error";
}

}  // namespace refocus::openai::testing
