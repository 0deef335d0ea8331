#include "intervene/grammar/spec_text.h"

#include <fmt/ranges.h>

#include <charconv>
#include <span>

namespace refocus {

std::optional<std::int64_t> spec_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < 0 ||
      value > kLargestSpecNumber) {
    return std::nullopt;
  }
  return value;
}

std::int64_t need_spec_number(std::string_view text, std::string_view what, const SpecPlace& place) {
  const std::optional<std::int64_t> value = spec_number(text);
  if (!value) throw spec_error(place, "expected a number of {}, got '{}'", what, printable(text));
  return *value;
}

std::uint64_t need_spec_seed(std::string_view text, const SpecPlace& place) {
  const std::optional<std::int64_t> value = spec_number(text);
  if (value) return static_cast<std::uint64_t>(*value);
  throw spec_error(place, "expected a whole number from 0 to {} for seed, got '{}'", kLargestSpecNumber,
                   printable(text));
}

std::size_t find_unquoted(std::string_view text, std::string_view stops, std::size_t from) {
  bool quoted = false;
  for (std::size_t at = from; at < text.size(); ++at) {
    if (quoted && text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      quoted = !quoted;
    } else if (!quoted && stops.find(text[at]) != std::string_view::npos) {
      return at;
    }
  }
  return text.size();
}

void for_parts(std::string_view text, char separator, const SpecPlace& place,
               const std::function<void(std::string_view, const SpecPlace&)>& body) {
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = find_unquoted(text, {&separator, 1}, begin);
    body(text.substr(begin, end - begin), place.after(begin));
    begin = end + 1;
  }
}

std::string quoted_text(std::string_view text) {
  std::string out(1, '"');
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
  return out;
}

std::string unquoted_text(std::string_view text, std::string_view what, const SpecPlace& place) {
  if (!text.starts_with('"')) return std::string(text);
  std::string out;
  std::size_t at = 1;
  for (; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == '"' || text[at + 1] == '\\')) ++at;
    out += text[at];
  }
  if (at + 1 != text.size()) {
    throw spec_error(place, "expected {} in one pair of double quotes, got {}", what, printable(text));
  }
  return out;
}

std::string alternatives(const std::vector<std::string_view>& words) {
  if (words.size() == 1) return std::string(words[0]);
  const std::span<const std::string_view> first(words.data(), words.size() - 1);
  return fmt::format("{} or {}", fmt::join(first, ", "), words.back());
}

}  // namespace refocus
