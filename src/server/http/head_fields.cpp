#include "server/http/head_fields.h"

#include <algorithm>

#include "base/error.h"
#include "server/http/field.h"
#include "server/http/target.h"

namespace refocus::http {
namespace {

std::size_t count_field(const Fields& fields, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::count(fields, name, &Fields::value_type::first));
}

std::optional<Failure> read_version(std::string_view version, Head& head) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 8 || !version.starts_with("HTTP/") || !digit(version[5]) || version[6] != '.' ||
      !digit(version[7])) {
    return Failure{400, fmt::format("expected HTTP/1.1 after the target, got '{}'", printable(version, 40))};
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return Failure{505, fmt::format("expected HTTP/1.1 or HTTP/1.0, got {}", version)};
  }
  head.minor_version = version.back() - '0';
  return std::nullopt;
}

std::optional<Failure> check_host(const std::string& authority, Head& head) {
  const std::size_t hosts = count_field(head.headers, "host");
  if (hosts > 1 || (hosts == 0 && head.minor_version == 1)) {
    return Failure{400, fmt::format("expected one Host header, got {}", hosts)};
  }
  for (auto& [name, value] : head.headers) {
    if (name != "host") continue;
    if (!is_host(value)) {
      return Failure{400, fmt::format("expected a name and a port as Host, got '{}'", printable(value, 60))};
    }
    if (!authority.empty()) value = authority;
  }
  if (hosts == 0 && !authority.empty()) head.headers.emplace_back("host", authority);
  return std::nullopt;
}

std::optional<Failure> read_coding(const Head& head, Framing& framing) {
  if (head.minor_version == 0) return Failure{400, "expected no Transfer-Encoding in HTTP/1.0, got one"};
  if (count_field(head.headers, "content-length") > 0) {
    return Failure{400, "expected Content-Length or Transfer-Encoding, got both"};
  }
  if (count_field(head.headers, "transfer-encoding") > 1) {
    return Failure{400, "expected one Transfer-Encoding header, got several"};
  }
  const std::string_view value = *head.find("transfer-encoding");
  if (!same_ignoring_case(value, "chunked")) {
    // With chunked at its end the body could be framed, but not decoded; otherwise not even that.
    const std::size_t comma = value.rfind(',');
    const bool framed = comma != std::string_view::npos &&
                        same_ignoring_case(trimmed(value.substr(comma + 1)), "chunked") &&
                        !list_has(value.substr(0, comma), "chunked");
    return Failure{framed ? 501 : 400,
                   fmt::format("expected Transfer-Encoding: chunked, got '{}'", printable(value, 60))};
  }
  framing.chunked = true;
  return std::nullopt;
}

std::optional<Failure> read_length(const Head& head, const Limits& limits, Framing& framing) {
  const std::size_t lengths = count_field(head.headers, "content-length");
  if (lengths == 0) {
    const bool sends = head.method == "POST" || head.method == "PUT" || head.method == "PATCH";
    if (sends && head.minor_version == 0) {
      return Failure{411,
                     fmt::format("expected a Content-Length with {} in HTTP/1.0, got none", head.method)};
    }
    return std::nullopt;
  }
  if (lengths > 1) return Failure{400, "expected one Content-Length header, got several"};
  std::string_view digits = *head.find("content-length");
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return Failure{400, fmt::format("expected digits as Content-Length, got '{}'", printable(digits, 40))};
  }
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  std::size_t length = 0;
  // With 18 digits nothing overflows.
  for (const char c : digits.substr(0, 18)) length = length * 10 + static_cast<std::size_t>(c - '0');
  if (digits.size() > 18 || length > limits.body) {
    return Failure{413, fmt::format("expected a body of at most {} bytes, got a Content-Length of {}",
                                    limits.body, printable(digits, 40))};
  }
  framing.length = length;
  return std::nullopt;
}

std::optional<Failure> read_connection(const Head& head, Framing& framing) {
  bool close = false;
  bool keep = false;
  for (const auto& [name, value] : head.headers) {
    if (name == "connection") {
      close = close || list_has(value, "close");
      keep = keep || list_has(value, "keep-alive");
    }
    if (name == "expect") {
      if (!same_ignoring_case(value, "100-continue")) {
        return Failure{417,
                       fmt::format("expected Expect: 100-continue or none, got '{}'", printable(value, 40))};
      }
      // A client of HTTP/1.0 would not know the answer (RFC 9110, 10.1.1).
      framing.expects_continue = head.minor_version == 1 && framing.has_body();
    }
  }
  framing.keep_alive = !close && (head.minor_version == 1 || keep);
  return std::nullopt;
}

}  // namespace

std::optional<Failure> read_start_line(std::string_view line, Head& head, std::string& authority) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || !is_token(line.substr(0, first))) {
    return Failure{400,
                   fmt::format("expected a line such as 'GET / HTTP/1.1', got '{}'", printable(line, 60))};
  }
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, second - first - 1);
  if (auto failure = read_version(line.substr(second + 1), head)) return failure;
  return read_target(head, authority);
}

std::optional<Failure> read_header_line(std::string_view line, Fields& headers) {
  if (line.front() == ' ' || line.front() == '\t') {
    return Failure{400, "expected each header on a line of its own, got one that is continued"};
  }
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || !is_token(name)) {
    return Failure{
        400, fmt::format("expected a header such as 'Accept: text/plain', got '{}'", printable(line, 60))};
  }
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!is_field_value(value)) {
    return Failure{400, fmt::format("expected no control characters in the header {}, got '{}'",
                                    printable(name, 60), printable(value, 60))};
  }
  headers.emplace_back(lower_case(name), value);
  return std::nullopt;
}

std::optional<Failure> read_framing(const std::string& authority, const Limits& limits, Head& head,
                                    Framing& framing) {
  if (auto failure = check_host(authority, head)) return failure;
  const bool coded = head.find("transfer-encoding").has_value();
  if (auto failure = coded ? read_coding(head, framing) : read_length(head, limits, framing)) return failure;
  return read_connection(head, framing);
}

}  // namespace refocus::http
