// Answers of the API as responses of HTTP.
#pragma once

#include <string>
#include <string_view>

#include "server/http/message.h"
#include "server/openai/api_error.h"

namespace refocus::server {

// `body` is JSON.
http::Response json_response(std::string body, int status = 200);

// An error of the API, with Retry-After where the client may try again (429).
http::Response error_response(const openai::ApiFault& fault, std::string_view message);
http::Response error_response(const openai::ApiError& error);

}  // namespace refocus::server
