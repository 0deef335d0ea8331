#include "eval/text/code_points.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "base/utf8.h"
#include "eval/text/character_tables.h"

namespace refocus {

namespace {

bool is_within(std::span<const std::uint32_t> borders, char32_t c) {
  return (std::ranges::upper_bound(borders, c) - borders.begin()) % 2 == 1;
}

}  // namespace

std::size_t first_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text.substr(at));
    if (step.status != Utf8Status::kValid) return at;
    at += static_cast<std::size_t>(step.length);
  }
  return text.size();
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_alphanumeric(char32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  return is_within(kAlphanumericBorders, c);
}

bool is_alphanumeric_in_unicode_13(char32_t c) {
  return is_alphanumeric(c) && (c < 0x80 || !is_within(kNewAlphanumericBorders, c));
}

char32_t lower_case(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  const auto run = std::ranges::lower_bound(kLowerCaseRuns, c, {}, &LowerCaseRun::last);
  if (run == std::end(kLowerCaseRuns) || c < run->first || (c - run->first) % run->step != 0) return c;
  return static_cast<char32_t>(static_cast<std::int32_t>(c) + run->shift);
}

char32_t fold_case(char32_t c) {
  const char32_t lower = lower_case(c);
  if (lower < 0x80) return lower;
  const auto pair = std::ranges::lower_bound(kFolds, lower, {}, &CharacterPair::from);
  return pair != std::end(kFolds) && pair->from == lower ? char32_t{pair->to} : lower;
}

std::vector<CodePoint> decode_utf8(std::string_view text) {
  std::vector<CodePoint> out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text.substr(at));
    const bool valid = step.status == Utf8Status::kValid;
    const std::size_t length = valid ? static_cast<std::size_t>(step.length) : 1;
    out.push_back({valid ? step.code_point : U'\uFFFD', at, at + length});
    at += length;
  }
  return out;
}

std::u32string code_points(std::string_view text) {
  std::u32string out;
  for (const CodePoint& c : decode_utf8(text)) out += c.code;
  return out;
}

std::string_view stripped(std::string_view text) {
  const std::vector<CodePoint> points = decode_utf8(text);
  const auto is_text = [](const CodePoint& c) { return !is_white_space(c.code); };
  const auto first = std::ranges::find_if(points, is_text);
  if (first == points.end()) return {};
  const auto last = std::find_if(points.rbegin(), points.rend(), is_text);
  return text.substr(first->begin, last->end - first->begin);
}

std::string_view without_leading_space(std::string_view text) {
  const std::string_view inner = stripped(text);
  if (inner.empty()) return text.substr(text.size());
  return text.substr(static_cast<std::size_t>(inner.data() - text.data()));
}

}  // namespace refocus
