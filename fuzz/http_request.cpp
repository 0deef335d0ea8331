// Requests of HTTP: the same bytes have to give the same requests and the same refusal in whatever pieces
// they come, and nothing may grow beyond its limit.
#include <algorithm>
#include <string>

#include "base/utf8.h"
#include "server/http/request_parser.h"
#include "target.h"

namespace {

using HttpParser = refocus::http::RequestParser;

// Small, so that short inputs come to them.
refocus::http::Limits small_http_limits() {
  refocus::http::Limits limits;
  limits.start_line = 100;
  limits.header_line = 100;
  limits.headers = 300;
  limits.header_count = 10;
  limits.body = 200;
  limits.chunk_line = 20;
  return limits;
}

void check_http_head(const refocus::http::Head& head, const refocus::http::Limits& limits) {
  refocus::fuzz::require(!head.path.empty() && (head.path == "*" || head.path.front() == '/'),
                         "a path begins with /");
  refocus::fuzz::require(refocus::is_valid_utf8(head.path), "a path is UTF-8");
  refocus::fuzz::require(
      std::ranges::none_of(head.path, [](unsigned char c) { return c < 0x20 || c == 0x7F; }),
      "a path has no controls");
  refocus::fuzz::require(head.headers.size() <= limits.header_count + 1, "headers are counted");
  refocus::fuzz::require(head.minor_version == 0 || head.find("host").has_value(), "a request has a host");
}

void add_counted(std::string_view text, std::string& out) {
  out.append(std::to_string(text.size())).append(":").append(text);
}

// Everything that came out, `cut` bytes at a time, so that two runs can be compared.
std::string http_requests(std::string_view input, std::size_t cut, const refocus::http::Limits& limits) {
  std::string_view bytes = input;
  HttpParser parser(limits);
  std::string out;
  while (true) {
    switch (parser.state()) {
      case HttpParser::State::kHeadDone:
        check_http_head(parser.head(), limits);
        parser.read_body();
        continue;
      case HttpParser::State::kFailed:
        refocus::fuzz::require(parser.failure().status >= 400 && parser.failure().status < 600,
                               "a refusal has a status of errors");
        refocus::fuzz::check_message("[http] " + parser.failure().message, input);
        return out + std::to_string(parser.failure().status) + parser.failure().message;
      case HttpParser::State::kDone: {
        const refocus::http::Request request = parser.take();
        refocus::fuzz::require(request.body.size() <= limits.body, "a body is within its limit");
        for (const std::string* text : {&request.head.method, &request.head.target, &request.body})
          add_counted(*text, out);
        for (const auto* fields : {&request.head.query, &request.head.headers}) {
          for (const auto& [name, value] : *fields) {
            add_counted(name, out);
            add_counted(value, out);
          }
        }
        continue;
      }
      default:
        break;
    }
    if (bytes.empty()) return out + (parser.started() ? "more" : "");
    const std::size_t taken = parser.feed(bytes.substr(0, cut));
    refocus::fuzz::require(taken > 0 || parser.state() == HttpParser::State::kFailed,
                           "a parser takes what it is given");
    bytes.remove_prefix(taken);
  }
}

}  // namespace

REFOCUS_FUZZ_TARGET(http_request) {
  for (const refocus::http::Limits& limits : {small_http_limits(), refocus::http::Limits{}}) {
    const std::string whole = http_requests(input, std::max<std::size_t>(input.size(), 1), limits);
    for (const std::size_t cut : {1, 5}) {
      refocus::fuzz::require(http_requests(input, cut, limits) == whole,
                             "the same bytes in other pieces are the same requests");
    }
  }
}
