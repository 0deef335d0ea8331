#include "server/api/access.h"

#include <algorithm>

#include "base/error.h"
#include "server/api/responses.h"
#include "server/http/field.h"
#include "server/openai/api_error.h"

namespace refocus::server {
namespace {

// Of "name:80", "[::1]:80".
std::string host_name(std::string_view host) {
  if (host.starts_with('[')) return http::lower_case(host.substr(1, host.find(']') - 1));
  return http::lower_case(host.substr(0, host.find(':')));
}

http::Response refused(int status, std::string_view code, const std::string& message) {
  return error_response(openai::ApiError({.status = status, .code = std::string(code)}, message));
}

bool host_allowed(std::string_view host, const AccessRules& rules) {
  const std::string name = host_name(host);
  return is_loopback(name) || std::ranges::any_of(rules.hosts, [&](const std::string& allowed) {
           return allowed == "*" || http::lower_case(allowed) == name;
         });
}

bool origin_allowed(std::string_view origin, const AccessRules& rules) {
  return std::ranges::any_of(rules.origins,
                             [&](const std::string& allowed) { return allowed == "*" || allowed == origin; });
}

// The page's own requests carry an Origin too: that of the host they are sent to.
bool is_own_origin(std::string_view origin, std::string_view host) {
  const std::size_t scheme = origin.find("://");
  return scheme != std::string_view::npos &&
         http::lower_case(origin.substr(scheme + 3)) == http::lower_case(host);
}

// The key of "Authorization: Bearer KEY", or of "X-Api-Key: KEY".
std::string_view key_of(const http::Head& head) {
  if (const auto given = head.find("authorization")) {
    const std::size_t space = given->find(' ');
    if (space != std::string_view::npos && http::lower_case(given->substr(0, space)) == "bearer") {
      const std::size_t begin = given->find_first_not_of(' ', space);
      return begin == std::string_view::npos ? std::string_view() : given->substr(begin);
    }
  }
  return head.find("x-api-key").value_or(std::string_view());
}

bool has_key(const http::Head& head, const AccessRules& rules) {
  const std::string_view given = key_of(head);
  bool found = false;  // every key is looked at, and nobody has the empty one
  for (const std::string& key : rules.keys) found = equal_keys(key, given) || found;
  return rules.keys.empty() || (found && !given.empty());
}

}  // namespace

bool is_loopback(std::string_view host) {
  const bool four =
      host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
  return four || host == "localhost" || host == "::1";
}

bool equal_keys(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |=
        static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b.empty() ? 0 : b[i % b.size()]);
  }
  return difference == 0;
}

std::optional<http::Response> refusal_of(const http::Head& head, const AccessRules& rules, bool is_public) {
  const std::string_view host = head.find("host").value_or("");
  if (!host_allowed(host, rules)) {
    return refused(
        403, "host_not_allowed",
        fmt::format("expected a Host that this server is called by, got '{}'; start it with --allow-host {}",
                    printable(host, 80), printable(host_name(host), 80)));
  }
  const auto origin = head.find("origin");
  if (origin && !is_own_origin(*origin, host) && !origin_allowed(*origin, rules)) {
    return refused(
        403, "origin_not_allowed",
        fmt::format("expected a page of this server, got one of '{}'; start it with --cors-origin {}",
                    printable(*origin, 80), printable(*origin, 80)));
  }
  if (is_public) return std::nullopt;
  if (!has_key(head, rules)) {
    http::Response out = error_response(openai::ApiError(
        {.status = 401, .type = "authentication_error", .code = "invalid_api_key"},
        "expected one of the server's keys as 'Authorization: Bearer KEY', got none of them; give "
        "the key that the server was started with"));
    out.headers.emplace_back("WWW-Authenticate", "Bearer");
    return out;
  }
  return std::nullopt;
}

std::optional<http::Response> refusal_of_type(const http::Head& head) {
  const std::string type = http::lower_case(head.find("content-type").value_or(""));
  const std::string media = type.substr(0, type.find_first_of("; \t"));
  if (head.method != "POST" || media == "application/json") return std::nullopt;
  return refused(415, "unsupported_media_type",
                 fmt::format("expected 'Content-Type: application/json', got {}; add the header",
                             media.empty() ? "none" : "'" + printable(media, 80) + "'"));
}

http::Response preflight(const http::Head& head, const AccessRules& rules) {
  http::Response out{204, cors_headers(head, rules), ""};
  if (out.headers.empty()) return out;
  out.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  if (const auto asked = head.find("access-control-request-headers")) {
    out.headers.emplace_back("Access-Control-Allow-Headers", std::string(*asked));
  }
  out.headers.emplace_back("Access-Control-Max-Age", "600");
  return out;
}

http::Fields cors_headers(const http::Head& head, const AccessRules& rules) {
  const auto origin = head.find("origin");
  if (!origin || !origin_allowed(*origin, rules)) return {};
  return {{"Access-Control-Allow-Origin", std::string(*origin)}, {"Vary", "Origin"}};
}

}  // namespace refocus::server
