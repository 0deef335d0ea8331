// Requests and responses of HTTP/1.1 as values (RFC 9110; framing, RFC 9112, is the parser's and writer's).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace refocus::http {

using Fields = std::vector<std::pair<std::string, std::string>>;

// The value of the first field of that name, spelt exactly so.
std::optional<std::string_view> find_field(const Fields& fields, std::string_view name);

struct Head {
  std::string method;  // as sent: methods are case-sensitive
  std::string target;  // as sent
  // The target's path with %XX decoded, always valid UTF-8 without control characters; "*" for OPTIONS *.
  // %2F is a / like any other here.
  std::string path;
  Fields query;    // name=value pairs of the target, %XX and + decoded, in their order
  Fields headers;  // names in lower case, values without space around them, in their order
  int minor_version = 1;
  std::string peer;  // "127.0.0.1:50000", "[::1]:50000"

  // The first header of that name (in lower case), the first parameter of the query.
  std::optional<std::string_view> find(std::string_view name) const { return find_field(headers, name); }
  std::optional<std::string_view> parameter(std::string_view name) const { return find_field(query, name); }
};

struct Request {
  Head head;
  std::string body;
};

// Content-Length, Transfer-Encoding, Connection and Date are the server's: they are dropped from `headers`,
// but `Connection: close` closes. A name that is no token drops its field, and a control character in a value
// becomes a space, so that no text from elsewhere can begin a header of its own.
struct Response {
  int status = 200;  // 200 to 599
  Fields headers;
  std::string body;
};

// What the server refuses by itself, as a status and one sentence for people.
struct Failure {
  int status = 400;
  std::string message;
};

// "Not Found" for 404 (RFC 9110, 15); "Unknown" for a status that has no name there.
std::string_view reason_phrase(int status);

}  // namespace refocus::http
