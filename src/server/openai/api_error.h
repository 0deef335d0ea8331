// Errors of requests as OpenAI's API has them: {"error": {"message", "type", "param", "code"}} and a status
// of HTTP (https://platform.openai.com/docs/guides/error-codes).
//
// The message is the one line of an InputError: "[request] expected X as 'FIELD', got Y; remedy". Clients
// retry 408, 409, 429 and 500 and above, so a fault of the request is never one of those.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace refocus::openai {

// What a client's program looks at; its user reads the message.
struct ApiFault {
  int status = 400;  // of HTTP
  std::string type = "invalid_request_error";
  // "model_not_found", "unsupported_parameter", "context_length_exceeded"; empty: null.
  std::string code = {};
  std::string param = {};  // the field, "refocus.attention.top_k"; empty: null
};

class ApiError : public InputError {
 public:
  ApiError(ApiFault fault, std::string_view message) : ApiError(std::move(fault), "request", message) {}
  ApiError(ApiFault fault, std::string_view where, std::string_view message)
      : InputError(where, message), fault_(std::move(fault)) {}

  const ApiFault& fault() const { return fault_; }
  int status() const { return fault_.status; }

 private:
  ApiFault fault_;
};

// ApiError with status 400 and a formatted message: throw bad_request("stop", "expected {}", 3).
template <class... Args>
ApiError bad_request(std::string_view param, fmt::format_string<Args...> format, Args&&... args) {
  return ApiError({.param = std::string(param)}, fmt::format(format, std::forward<Args>(args)...));
}

// An error of input met on a request's way (a SPEC, a chat template) as that request's fault: the same
// message, status 400. An ApiError stays what it is.
ApiError api_error(const InputError& error, std::string_view param = {});

// A field that would change the answer, and that nothing here acts on: code unsupported_parameter.
ApiError unsupported(std::string_view param, std::string_view message);

// More tokens than a sequence may have, in OpenAI's words and code, which evaluators know it by (inspect_ai's
// stop reason model_length). `answer`: the tokens asked for beside the prompt's.
ApiError context_length_error(std::int64_t prompt, std::int64_t answer, std::int64_t context);

// The body of the answer, one line of JSON.
std::string error_text(const ApiError& error);
std::string error_text(const ApiFault& fault, std::string_view message);

}  // namespace refocus::openai
