#include "server/openai/stream.h"

#include "base/json_reader.h"
#include "base/utf8.h"

namespace refocus::openai {

using nlohmann::ordered_json;

std::string sse_event(std::string_view json) { return fmt::format("data: {}\n\n", json); }

std::string sse_error(const ApiError& error) { return sse_event(error_text(error)); }

ordered_json ChunkWriter::chunk(ordered_json choices) const {
  ordered_json out = {{"id", head_.id},
                      {"object", kind_ == Kind::kChat ? "chat.completion.chunk" : "text_completion"},
                      {"created", head_.created},
                      {"model", head_.model},
                      {"system_fingerprint", head_.fingerprint},
                      {"choices", std::move(choices)}};
  if (include_usage_) out["usage"] = nullptr;
  return out;
}

std::string ChunkWriter::event(ordered_json choice, const RefocusFacts* facts) const {
  ordered_json choices = ordered_json::array();
  choices.push_back(std::move(choice));
  ordered_json out = chunk(std::move(choices));
  if (facts != nullptr) out["refocus"] = refocus_json(*facts);
  return sse_event(json_text(out));
}

std::string ChunkWriter::begin(std::int64_t index) const {
  if (kind_ == Kind::kCompletion) return "";
  return event({{"index", index},
                {"delta", {{"role", "assistant"}, {"content", ""}}},
                {"logprobs", nullptr},
                {"finish_reason", nullptr}},
               nullptr);
}

std::string ChunkWriter::more(std::int64_t index, std::string_view text,
                              const std::vector<ScoredToken>* tokens) const {
  const std::string valid = replace_invalid_utf8(text);
  ordered_json choice = {{"index", index}};
  ordered_json logprobs;
  if (kind_ == Kind::kChat) {
    choice["delta"] = {{"content", valid}};
    if (tokens != nullptr) logprobs = chat_logprobs(*tokens);
  } else {
    choice["text"] = valid;
    if (tokens != nullptr) logprobs = completion_logprobs(*tokens);
  }
  choice["logprobs"] = std::move(logprobs);
  choice["finish_reason"] = nullptr;
  return event(std::move(choice), nullptr);
}

std::string ChunkWriter::end(std::int64_t index, std::string_view finish_reason,
                             const RefocusFacts* facts) const {
  ordered_json choice = {{"index", index}};
  if (kind_ == Kind::kChat) {
    choice["delta"] = ordered_json::object();
  } else {
    choice["text"] = "";
  }
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = finish_word(finish_reason);
  return event(std::move(choice), facts);
}

std::string ChunkWriter::usage(const Usage& usage) const {
  if (!include_usage_) return "";
  ordered_json out = chunk(ordered_json::array());
  out["usage"] = usage_json(usage);
  return sse_event(json_text(out));
}

}  // namespace refocus::openai
