#include "server/openai/api_error.h"

#include <nlohmann/json.hpp>

#include "base/json_reader.h"

namespace refocus::openai {

ApiError api_error(const InputError& error, std::string_view param) {
  if (const auto* known = dynamic_cast<const ApiError*>(&error)) return *known;
  // An InputError's text is "[where] message", which the new one puts together again.
  const std::string_view text = error.what();
  const std::size_t end = text.find("] ");
  ApiFault fault{.param = std::string(param)};
  if (!text.starts_with('[') || end == std::string_view::npos) return ApiError(std::move(fault), text);
  return ApiError(std::move(fault), text.substr(1, end - 1), text.substr(end + 2));
}

ApiError unsupported(std::string_view param, std::string_view message) {
  return ApiError({.code = "unsupported_parameter", .param = std::string(param)}, message);
}

ApiError context_length_error(std::int64_t prompt, std::int64_t answer, std::int64_t context) {
  const std::string message = fmt::format(
      "this model's maximum context length is {} tokens, however you requested {} tokens ({} in the prompt, "
      "{} "
      "for the answer); shorten the prompt or the answer",
      context, prompt + answer, prompt, answer);
  return ApiError({.code = "context_length_exceeded"}, message);
}

std::string error_text(const ApiFault& fault, std::string_view message) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(printable(text, 256));
  };
  nlohmann::ordered_json error = {{"message", std::string(message)},
                                  {"type", fault.type},
                                  {"param", or_null(fault.param)},
                                  {"code", or_null(fault.code)}};
  return json_text(nlohmann::ordered_json{{"error", std::move(error)}});
}

std::string error_text(const ApiError& error) { return error_text(error.fault(), error.what()); }

}  // namespace refocus::openai
