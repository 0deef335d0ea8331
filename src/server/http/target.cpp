#include "server/http/target.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "server/http/field.h"

namespace refocus::http {
namespace {

std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
      continue;
    }
    const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    decoded.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return decoded;
}

Failure bad_encoding(std::string_view part, std::string_view found) {
  return {400, fmt::format("expected UTF-8 with %XX in the {} of the target, got '{}'", part,
                           printable(found, 60))};
}

std::optional<Failure> read_path(std::string_view text, Head& head) {
  auto path = percent_decoded(text, false);
  const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  if (!path || !is_valid_utf8(*path) || std::ranges::any_of(*path, control))
    return bad_encoding("path", text);
  head.path = std::move(*path);
  return std::nullopt;
}

std::optional<Failure> read_query(std::string_view text, Head& head) {
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (pair.empty()) continue;
    const std::size_t sign = pair.find('=');
    auto name = percent_decoded(pair.substr(0, sign), true);
    auto value = percent_decoded(sign == std::string_view::npos ? "" : pair.substr(sign + 1), true);
    if (!name || !value) return bad_encoding("query", pair);
    for (const std::string* part : {&*name, &*value}) {
      if (!is_valid_utf8(*part) || part->find('\0') != std::string::npos) return bad_encoding("query", pair);
    }
    head.query.emplace_back(std::move(*name), std::move(*value));
  }
  return std::nullopt;
}

// Takes "http://authority" off the front of an absolute-form.
bool take_authority(std::string_view& text, std::string& authority) {
  constexpr std::string_view kScheme = "http://";
  if (!same_ignoring_case(text.substr(0, kScheme.size()), kScheme)) return false;
  text.remove_prefix(kScheme.size());
  const std::size_t end = std::min(text.find_first_of("/?"), text.size());
  if (!is_host(text.substr(0, end))) return false;
  authority = text.substr(0, end);
  text.remove_prefix(end);
  return true;
}

}  // namespace

bool is_host(std::string_view text) {
  if (text.empty()) return false;
  std::string_view name = text;
  std::string_view port;
  const std::size_t after = text.front() == '[' ? text.find(']') : 0;  // colons of IPv6 stand before it
  if (after == std::string_view::npos) return false;
  if (const std::size_t colon = text.find(':', after); colon != std::string_view::npos) {
    name = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (name.empty() || port.size() > 5) return false;
  if (port.find_first_not_of("0123456789") != std::string_view::npos) return false;
  if (name.front() == '[') {
    return name.back() == ']' && name.size() > 2 &&
           name.substr(1, name.size() - 2).find_first_not_of("0123456789abcdefABCDEF:.") ==
               std::string_view::npos;
  }
  return std::ranges::all_of(name, [](char c) {
    return hex_digit(c) >= 0 || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '.' || c == '-' ||
           c == '_';
  });
}

std::optional<Failure> read_target(Head& head, std::string& authority) {
  if (head.method == "CONNECT") {
    return Failure{501, "expected a request for this server, got CONNECT; this is no proxy"};
  }
  std::string_view rest = head.target;
  const bool visible = std::ranges::all_of(rest, [](char c) { return c > 0x20 && c < 0x7F && c != '#'; });
  const Failure bad_form = {
      400, fmt::format("expected a target such as /v1/models, got '{}'", printable(rest, 60))};
  if (!visible || rest.empty()) return bad_form;
  if (rest == "*") {
    if (head.method != "OPTIONS") return bad_form;
    head.path = "*";
    return std::nullopt;
  }
  if (rest.front() != '/' && !take_authority(rest, authority)) return bad_form;
  const std::size_t mark = std::min(rest.find('?'), rest.size());
  const std::string_view path = rest.substr(0, mark);
  if (auto failure = read_path(path.empty() ? "/" : path, head)) return failure;
  return read_query(rest.substr(std::min(mark + 1, rest.size())), head);
}

}  // namespace refocus::http
