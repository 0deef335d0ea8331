// What the tests of requests share: what a reader made of a body, as JSON, and the error that it threw.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "server/openai/api_error.h"
#include "server/openai/request.h"

namespace refocus::openai::testing {

// Every value of the request that the endpoint's reader made of the body.
nlohmann::ordered_json described(std::string_view endpoint, std::string_view body);

// "STATUS CODE PARAM MESSAGE" of the ApiError, or "no error".
std::string refusal(std::string_view endpoint, std::string_view body);
inline std::string completion_refusal(std::string_view body) { return refusal("/v1/completions", body); }
inline std::string chat_refusal(std::string_view body) { return refusal("/v1/chat/completions", body); }

}  // namespace refocus::openai::testing
