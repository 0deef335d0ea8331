#include "server/api/responses.h"

#include <utility>

namespace refocus::server {

http::Response json_response(std::string body, int status) {
  return {status, {{"Content-Type", "application/json"}}, std::move(body)};
}

http::Response error_response(const openai::ApiFault& fault, std::string_view message) {
  http::Response out = json_response(openai::error_text(fault, message), fault.status);
  if (fault.status == 429) out.headers.emplace_back("Retry-After", "1");
  return out;
}

http::Response error_response(const openai::ApiError& error) {
  return error_response(error.fault(), error.what());
}

}  // namespace refocus::server
