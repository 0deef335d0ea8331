#include "template/text_operations.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/utf8.h"
#include "template/characters.h"
#include "template/operators.h"

namespace refocus::jinja {
namespace {

using Spans = std::vector<std::pair<std::size_t, std::size_t>>;

std::vector<Text> parts_of(Runtime& runtime, const Text& text, const Spans& spans) {
  runtime.charge(text);
  runtime.charge(spans.size());
  runtime.check_items(spans.size());
  std::vector<Text> out;
  for (const auto& [begin, end] : spans) out.push_back(text.bytes_between(begin, end));
  return out;
}

// The white space at `at` and what is not, as byte counts.
std::size_t space_length(std::string_view text, std::size_t at) {
  return stripped(text.substr(at), nullptr, true, false).first;
}
std::size_t word_length(std::string_view text, std::size_t at) {
  const std::size_t begin = at;
  while (at < text.size()) {
    const Utf8Step step = utf8_step(text.substr(at));
    if (is_space(step.code_point)) break;
    at += static_cast<std::size_t>(step.length);
  }
  return at - begin;
}

Spans split_at_space(std::string_view text, std::int64_t limit) {
  Spans out;
  std::size_t at = space_length(text, 0);
  while (at < text.size()) {
    if (limit >= 0 && static_cast<std::int64_t>(out.size()) >= limit) {
      out.emplace_back(at, stripped(text, nullptr, false, true).second);
      break;
    }
    const std::size_t end = at + word_length(text, at);
    out.emplace_back(at, end);
    at = end + space_length(text, end);
  }
  return out;
}

Spans split_at_space_from_right(std::string_view text, std::int64_t limit) {
  Spans out;
  std::size_t end = stripped(text, nullptr, false, true).second;
  while (end > 0) {
    if (limit >= 0 && static_cast<std::int64_t>(out.size()) >= limit) {
      out.emplace_back(space_length(text, 0), end);
      break;
    }
    std::size_t begin = end;
    while (begin > 0) {
      const std::size_t last = last_code_point(text.substr(0, begin));
      if (is_space(utf8_step(text.substr(last)).code_point)) break;
      begin = last;
    }
    out.emplace_back(begin, end);
    end = stripped(text.substr(0, begin), nullptr, false, true).second;
  }
  std::ranges::reverse(out);
  return out;
}

// Copies what precedes each place where `by` goes in, and `by`.
class Replacer {
 public:
  Replacer(Runtime& runtime, const Text& text, const Text& by)
      : runtime_(runtime),
        text_(text),
        by_(text.markup() ? escaped_html(runtime, by) : by),
        out_(runtime.builder()) {}
  void put(std::size_t begin, std::size_t end) {
    runtime_.charge(1 + by_.size() / 16);
    out_.add(text_, at_, begin);
    out_.add(by_);
    at_ = end;
  }
  Text finish() {
    out_.add(text_, at_, text_.size());
    return out_.take(text_.markup());
  }

 private:
  Runtime& runtime_;
  const Text& text_;
  const Text by_;
  TextBuilder out_;
  std::size_t at_ = 0;
};

}  // namespace

Text replaced(Runtime& runtime, const Text& text, std::string_view old, const Text& by, std::int64_t count) {
  runtime.charge(text);
  const std::string_view bytes = text.bytes();
  Replacer replacer(runtime, text, by);
  if (old.empty()) {
    // Before each character, and at the end.
    for (std::size_t at = 0; count != 0; --count) {
      replacer.put(at, at);
      if (at >= bytes.size()) break;
      at += static_cast<std::size_t>(utf8_step(bytes.substr(at)).length);
    }
    return replacer.finish();
  }
  for (std::size_t at = bytes.find(old); at != std::string_view::npos && count != 0; --count) {
    replacer.put(at, at + old.size());
    at = bytes.find(old, at + old.size());
  }
  return replacer.finish();
}

Text joined_texts(Runtime& runtime, const Text& separator, const std::vector<Text>& parts) {
  TextBuilder out = runtime.builder();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out.add(separator);
    out.add(separator.markup() ? escaped_html(runtime, parts[i]) : parts[i]);
    runtime.charge(1);
  }
  runtime.charge(out.size() / 16);
  return out.take(separator.markup());
}

Text stripped_text(Runtime& runtime, const Text& text, const std::optional<Value>& chars, bool left,
                   bool right) {
  runtime.charge(text);
  if (chars && !chars->is_none()) {
    const Text set = text_argument("strip", *chars);
    runtime.charge(set);
    const std::string_view bytes = set.bytes();
    const auto [begin, end] = stripped(text.bytes(), &bytes, left, right);
    return text.bytes_between(begin, end);
  }
  const auto [begin, end] = stripped(text.bytes(), nullptr, left, right);
  return text.bytes_between(begin, end);
}

Text padded(Runtime& runtime, const Text& text, std::int64_t width, Side side,
            const std::optional<Text>& fill) {
  const auto length = static_cast<std::int64_t>(text.length());
  if (width <= length) return text;
  if (fill && fill->length() != 1) fail("expected one character to fill with, got {}", fill->length());
  const Text with = fill ? text.markup() ? escaped_html(runtime, *fill) : *fill : Text(" ", text.source());
  const auto missing = static_cast<std::size_t>(width - length);
  // As CPython: of an odd number of blanks, the extra one is on the left where the width is odd.
  const std::size_t center = missing / 2 + (missing & static_cast<std::size_t>(width) & 1);
  const std::size_t left = side == Side::kLeft ? 0 : side == Side::kRight ? missing : center;
  TextBuilder out = runtime.builder();
  out.add(with.bytes(), left, with.source_at(0));
  out.add(text);
  out.add(with.bytes(), missing - left, with.source_at(0));
  runtime.charge(out.size() / 16);
  return out.take(text.markup());
}

Spans lines_of(std::string_view text, bool keep_ends) {
  static constexpr std::u32string_view kEnds = U"\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029";
  Spans out;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text.substr(at));
    std::size_t end = at + static_cast<std::size_t>(step.length);
    if (kEnds.find(step.code_point) != std::u32string_view::npos) {
      if (text.substr(at).starts_with("\r\n")) ++end;
      out.emplace_back(begin, keep_ends ? end : at);
      begin = end;
    }
    at = end;
  }
  if (begin < text.size()) out.emplace_back(begin, text.size());
  return out;
}

std::vector<Text> split_lines(Runtime& runtime, const Text& text, bool keep_ends) {
  return parts_of(runtime, text, lines_of(text.bytes(), keep_ends));
}

std::vector<Text> split(Runtime& runtime, const Text& text, const std::optional<Text>& separator,
                        std::int64_t limit) {
  if (!separator) return parts_of(runtime, text, split_at_space(text.bytes(), limit));
  if (separator->empty()) fail("expected a separator that is not empty, got an empty one");
  Spans spans;
  std::size_t at = 0;
  for (; limit != 0; --limit) {
    const std::size_t found = text.bytes().find(separator->bytes(), at);
    if (found == std::string_view::npos) break;
    spans.emplace_back(at, found);
    at = found + separator->size();
  }
  spans.emplace_back(at, text.size());
  return parts_of(runtime, text, spans);
}

std::vector<Text> split_from_right(Runtime& runtime, const Text& text, const std::optional<Text>& separator,
                                   std::int64_t limit) {
  if (!separator) return parts_of(runtime, text, split_at_space_from_right(text.bytes(), limit));
  if (separator->empty()) fail("expected a separator that is not empty, got an empty one");
  Spans spans;
  std::size_t end = text.size();
  for (; limit != 0; --limit) {
    const std::size_t found = text.bytes().substr(0, end).rfind(separator->bytes());
    if (found == std::string_view::npos) break;
    spans.emplace_back(found + separator->size(), end);
    end = found;
  }
  spans.emplace_back(0, end);
  std::ranges::reverse(spans);
  return parts_of(runtime, text, spans);
}

namespace {

// The text without blanks around it, its digits of any script as ASCII, and underscores between digits left
// out; empty where they stand elsewhere.
std::string plain_digits(std::string_view text) {
  const auto [begin, end] = stripped(text, nullptr, true, true);
  text = text.substr(begin, end - begin);
  std::string out;
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    const char32_t c = step.code_point;
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (is_decimal(c)) {
      out += static_cast<char>('0' + digit_value(c));
    } else {
      return "";
    }
    text.remove_prefix(static_cast<std::size_t>(step.length));
  }
  return out;
}

bool is_word_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// Without underscores, each of which must stand between two characters that `joins`.
template <class Joins>
bool remove_underscores(std::string& text, const Joins& joins) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_' && (i == 0 || i + 1 == text.size() || !joins(text[i - 1]) || !joins(text[i + 1])))
      return false;
  }
  std::erase(text, '_');
  return true;
}

}  // namespace

std::optional<std::int64_t> parsed_whole(std::string_view text, int base) {
  if (base != 0 && (base < 2 || base > 36)) return std::nullopt;
  std::string digits = plain_digits(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  const char mark = digits.size() > 1 && digits[0] == '0' ? static_cast<char>(digits[1] | 0x20) : '\0';
  const int marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
  if (marked != 0 && (base == marked || base == 0)) {
    base = marked;
    digits.erase(0, 2);
    if (digits.starts_with('_')) digits.erase(0, 1);
  } else if (base == 0) {
    // Zeros before other digits are an error there, as they are in Python's own literals.
    base = 10;
    if (digits.size() > 1 && digits[0] == '0' && digits.find_first_not_of("0_") != std::string::npos)
      return std::nullopt;
  }
  if (!remove_underscores(digits, is_word_character) || digits.empty() || !is_word_character(digits[0]))
    return std::nullopt;
  if (negative) digits.insert(0, "-");
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (end != digits.data() + digits.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) fail("expected a whole number of 64 bits, got a larger one");
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

std::optional<double> parsed_real(std::string_view text) {
  std::string digits = plain_digits(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  std::string lower = digits;
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  double value = 0;
  if (lower == "inf" || lower == "infinity") {
    value = HUGE_VAL;
  } else if (lower == "nan") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else {
    const auto is_ascii_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (!remove_underscores(digits, is_ascii_digit) || digits.empty() ||
        (digits[0] != '.' && !is_ascii_digit(digits[0])))
      return std::nullopt;
    if (const std::size_t sign = digits.find("e+"); sign != std::string::npos) digits.erase(sign + 1, 1);
    if (const std::size_t sign = digits.find("E+"); sign != std::string::npos) digits.erase(sign + 1, 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (end != digits.data() + digits.size() || error == std::errc::invalid_argument) return std::nullopt;
    if (error == std::errc::result_out_of_range)
      value = digits.find_first_of("eE") != std::string::npos && digits.find('-') != std::string::npos
                  ? 0
                  : HUGE_VAL;
  }
  return negative ? -value : value;
}

namespace {

// Whether all characters that have a case have that one, and there is one.
template <class Right, class Wrong>
bool all_of_case(std::string_view text, const Right& right, const Wrong& wrong) {
  bool found = false;
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    if (wrong(step.code_point) || is_title(step.code_point)) return false;
    found = found || right(step.code_point);
    text.remove_prefix(static_cast<std::size_t>(step.length));
  }
  return found;
}

}  // namespace

bool is_lower_text(std::string_view text) { return all_of_case(text, is_lower, is_upper); }
bool is_upper_text(std::string_view text) { return all_of_case(text, is_upper, is_lower); }

bool is_title_text(std::string_view text) {
  bool found = false, in_word = false;
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    const char32_t c = step.code_point;
    const bool begins = is_upper(c) || is_title(c);
    if (begins ? in_word : is_lower(c) && !in_word) return false;
    found = found || begins || is_lower(c);
    in_word = begins || is_lower(c);
    text.remove_prefix(static_cast<std::size_t>(step.length));
  }
  return found;
}

}  // namespace refocus::jinja
