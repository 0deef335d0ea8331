// What a parser makes of bytes, as text that can be compared: requests one a line, then its state at the end.
#pragma once

#include <string>
#include <string_view>

#include "server/http/request_parser.h"

namespace refocus::testing {

// "GET /path?a=b HTTP/1.1 [host=x] 5:hello; " for each request, then "400" for a refusal, "more" in the midst
// of a request, or nothing.
inline std::string transcript(const http::Limits& limits, std::string_view bytes, std::size_t cut) {
  http::RequestParser parser(limits);
  std::string text;
  while (true) {
    switch (parser.state()) {
      case http::RequestParser::State::kHeadDone:
        parser.read_body();
        continue;
      case http::RequestParser::State::kFailed:
        return text + std::to_string(parser.failure().status);
      case http::RequestParser::State::kDone: {
        const http::Request request = parser.take();
        text += request.head.method + " " + request.head.path;
        for (const auto& [name, value] : request.head.query) text += "?" + name + "=" + value;
        text += " HTTP/1." + std::to_string(request.head.minor_version) + " [";
        for (const auto& [name, value] : request.head.headers) text += name + "=" + value + ",";
        text += "] " + std::to_string(request.body.size()) + ":" + request.body.substr(0, 64) + "; ";
        continue;
      }
      default:
        break;
    }
    if (bytes.empty()) return parser.started() ? text + "more" : text;
    const std::size_t taken = parser.feed(bytes.substr(0, cut));
    bytes.remove_prefix(taken);
  }
}

}  // namespace refocus::testing
