#include "eval/harness/yaml_value.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "eval/text/pattern.h"

namespace refocus::harness {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kTrue[] = {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};
constexpr std::string_view kFalse[] = {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"};

// The expressions of PyYAML's resolver, where they are written the same.
const Pattern& whole_pattern() {
  static const Pattern pattern(
      "^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+"
      "|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)\\z",
      Pattern::Text::kBytes);
  return pattern;
}

const Pattern& real_pattern() {
  static const Pattern pattern(
      "^(?:[-+]?(?:[0-9][0-9_]*)\\.[0-9_]*(?:[eE][-+][0-9]+)?|\\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
      "|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\\.[0-9_]*|[-+]?\\.(?:inf|Inf|INF)|\\.(?:nan|NaN|NAN))\\z",
      Pattern::Text::kBytes);
  return pattern;
}

const Pattern& date_pattern() {
  static const Pattern pattern(
      "^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ "
      "\\t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
      "(?:\\.[0-9]*)?(?:[ \\t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)\\z",
      Pattern::Text::kBytes);
  return pattern;
}

bool matches(const Pattern& pattern, std::string_view text) { return pattern.search(text).has_value(); }

// A sign, and the digits without underscores.
std::pair<bool, std::string> signed_digits(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  std::string digits;
  for (const char c : text) {
    if (c != '_') digits += c;
  }
  return {negative, digits};
}

std::optional<std::int64_t> whole_of(std::string_view text) {
  auto [negative, digits] = signed_digits(text);
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    base = digits[1] == 'b' ? 2 : digits[1] == 'x' ? 16 : 8;
    digits.erase(0, base == 8 ? 1 : 2);
  }
  // 1:30:00 counts in sixties.
  std::int64_t sum = 0;
  for (std::size_t begin = 0; begin <= digits.size();) {
    const std::size_t end = std::min(digits.find(':', begin), digits.size());
    std::int64_t part = 0;
    const auto [stop, error] = std::from_chars(digits.data() + begin, digits.data() + end, part, base);
    if (error != std::errc() || stop != digits.data() + end) return std::nullopt;
    if (__builtin_mul_overflow(sum, std::int64_t{60}, &sum) || __builtin_add_overflow(sum, part, &sum)) {
      return std::nullopt;
    }
    begin = end + 1;
  }
  return negative ? -sum : sum;
}

std::optional<double> real_of(std::string_view text) {
  auto [negative, digits] = signed_digits(text);
  double sum = 0;
  for (std::size_t begin = 0; begin <= digits.size();) {
    const std::size_t end = std::min(digits.find(':', begin), digits.size());
    double part = 0;
    const auto [stop, error] = std::from_chars(digits.data() + begin, digits.data() + end, part);
    if (error != std::errc() || stop != digits.data() + end) return std::nullopt;
    sum = sum * 60 + part;
    begin = end + 1;
  }
  return negative ? -sum : sum;
}

Json plain_scalar(const ConfigNode& node) {
  const std::string& text = node.text;
  for (const std::string_view word : kTrue) {
    if (text == word) return true;
  }
  for (const std::string_view word : kFalse) {
    if (text == word) return false;
  }
  if (matches(whole_pattern(), text)) {
    if (const auto whole = whole_of(text)) return *whole;
  } else if (matches(real_pattern(), text)) {
    if (const auto real = real_of(text)) return *real;
  } else if (!matches(date_pattern(), text)) {
    return text;
  }
  throw input_error(node.where, "expected a text, or a number of 64 bits, got {}; write it in quotes",
                    printable(text));
}

}  // namespace

bool is_plain_text(std::string_view text) {
  for (const auto& words : {kTrue, kFalse}) {
    for (std::size_t i = 0; i < std::size(kTrue); ++i) {
      if (text == words[i]) return false;
    }
  }
  return !matches(whole_pattern(), text) && !matches(real_pattern(), text) && !matches(date_pattern(), text);
}

Json yaml_value(const ConfigNode& node) {
  if (!node.tag.empty()) node.refuse_tags();
  switch (node.kind) {
    case ConfigNode::Kind::kText:
      return node.is_plain ? plain_scalar(node) : Json(node.text);
    case ConfigNode::Kind::kList: {
      Json out = Json::array();
      for (const ConfigNode& item : node.items) out.push_back(yaml_value(item));
      return out;
    }
    case ConfigNode::Kind::kMap: {
      Json out = Json::object();
      for (const auto& [key, value] : node.entries) {
        if (value.key_is_plain && !is_plain_text(key)) {
          throw input_error(value.where, "expected texts as keys, got {}; write it in quotes",
                            printable(key));
        }
        out[key] = yaml_value(value);
      }
      return out;
    }
    case ConfigNode::Kind::kNull:
      break;
  }
  return nullptr;
}

}  // namespace refocus::harness
