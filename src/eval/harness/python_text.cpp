#include "eval/harness/python_text.h"

#include <utf8proc.h>

#include "base/utf8.h"
#include "eval/text/code_points.h"
#include "template/characters.h"

namespace refocus::harness {

namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 26;

bool is_ascii_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

bool is_unicode_punctuation(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string lowered(std::string_view text) {
  return std::string(jinja::in_case(jinja::Text(text), jinja::Case::kLower, kMostBytes).bytes());
}

std::string raised(std::string_view text) {
  return std::string(jinja::in_case(jinja::Text(text), jinja::Case::kUpper, kMostBytes).bytes());
}

std::string without_matches(const jinja::Pattern& pattern, std::string_view text) {
  std::string out;
  std::size_t at = 0;
  for (const jinja::Match& match : pattern.find_all(text, 0)) {
    out += text.substr(at, match.groups[0].first - at);
    at = match.groups[0].second;
  }
  return out + std::string(text.substr(at));
}

std::string without_unicode_punctuation(std::string_view text) {
  std::string out;
  for (const CodePoint& point : decode_utf8(text)) {
    if (!is_unicode_punctuation(point.code)) out += text.substr(point.begin, point.end - point.begin);
  }
  return out;
}

std::string without_ascii_punctuation(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!is_ascii_punctuation(c)) out += c;
  }
  return out;
}

std::string without_ascii_digits(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c < '0' || c > '9') out += c;
  }
  return out;
}

std::string escaped_for_pattern(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_ascii_punctuation(c)) out += '\\';
    out += c;
  }
  return out;
}

std::size_t word_count(std::string_view text) {
  std::size_t gaps = 0;
  bool in_gap = false;
  for (const CodePoint& point : decode_utf8(text)) {
    const bool space = jinja::is_space(point.code);
    if (space && !in_gap) ++gaps;
    in_gap = space;
  }
  return gaps + 1;
}

bool ends_with_space(std::string_view text) {
  return !text.empty() && jinja::is_space(utf8_step(text.substr(last_code_point(text))).code_point);
}

bool starts_with_space(std::string_view text) {
  return !text.empty() && jinja::is_space(utf8_step(text).code_point);
}

}  // namespace refocus::harness
