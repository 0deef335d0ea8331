#include "server/http/response_head.h"

#include <algorithm>
#include <array>
#include <ctime>

#include <fmt/format.h>

#include "server/http/field.h"

namespace refocus::http {
namespace {

bool is_the_servers(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kNames = {"connection", "content-length",    "date",
                                                             "keep-alive", "transfer-encoding", "upgrade"};
  return std::ranges::any_of(kNames, [&](std::string_view own) { return same_ignoring_case(own, name); });
}

void append_field(std::string_view name, std::string_view value, std::string& out) {
  out.append(name).append(": ");
  for (const char c : value) out.push_back(is_field_value({&c, 1}) ? c : ' ');
  out.append("\r\n");
}

}  // namespace

int sendable_status(int status) { return status >= 200 && status < 600 ? status : 500; }

bool may_have_body(int status) { return status != 204 && status != 304; }

bool asks_to_close(const Fields& headers) {
  return std::ranges::any_of(headers, [](const auto& field) {
    return same_ignoring_case(field.first, "connection") && list_has(field.second, "close");
  });
}

std::string response_head(int status, const Fields& headers, const ResponseForm& form, BodyKind kind,
                          std::size_t length) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", status, reason_phrase(status),
                                 http_date(static_cast<long long>(std::time(nullptr))));
  for (const auto& [name, value] : headers) {
    if (is_token(name) && !is_the_servers(name)) append_field(name, value, head);
  }
  if (kind == BodyKind::kWhole) append_field("Content-Length", fmt::to_string(length), head);
  if (kind == BodyKind::kChunked) append_field("Transfer-Encoding", "chunked", head);
  if (!form.keep_alive) {
    append_field("Connection", "close", head);
  } else if (form.http10) {
    append_field("Connection", "keep-alive", head);
  }
  return head.append("\r\n");
}

std::string whole_response(const Response& response, const ResponseForm& form) {
  const bool body = may_have_body(response.status);
  std::string out = response_head(response.status, response.headers, form,
                                  body ? BodyKind::kWhole : BodyKind::kNone, response.body.size());
  if (body && !form.head_only) out += response.body;
  return out;
}

std::string http_date(long long seconds) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[static_cast<std::size_t>(parts.tm_wday)],
                     parts.tm_mday, kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

void append_chunk(std::string_view bytes, std::string& out) {
  out.reserve(out.size() + bytes.size() + 20);
  fmt::format_to(std::back_inserter(out), "{:x}\r\n", bytes.size());
  out.append(bytes).append("\r\n");
}

}  // namespace refocus::http
