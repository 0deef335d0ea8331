#include "template/parse/lexer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/utf8.h"
#include "template/characters.h"
#include "template/parse/string_literal.h"

namespace refocus::jinja {
namespace {

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

// Line ends as "\n", and without the last one unless it is kept.
std::string normalized(std::string_view source, bool keep_trailing_newline) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (source.substr(i + 1).starts_with('\n')) ++i;
    } else {
      out += source[i];
    }
  }
  if (!keep_trailing_newline && out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  Lexer(std::string_view source, const std::string& name, const Settings& settings)
      : name_(name), settings_(settings), source_(normalized(source, settings.keep_trailing_newline)) {}

  std::vector<Token> run() {
    if (!is_valid_utf8(source_)) {
      throw input_error(name_, "expected a template in UTF-8, got other bytes; save it as UTF-8");
    }
    while (at_ < source_.size()) data();
    token(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }

  // Places are asked for from left to right, so that counting goes on from the last one.
  Place place() {
    for (; counted_ < at_; ++counted_) {
      const char c = source_[counted_];
      if (c == '\n') {
        ++place_.line;
        place_.column = 1;
      } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
        ++place_.column;
      }
    }
    return place_;
  }
  [[noreturn]] void fail_here(std::string_view message) { syntax_error(name_, place(), message); }

  Token& token(TokenKind kind, std::string text) {
    return tokens_.emplace_back(Token{kind, place(), std::move(text), {}});
  }

  // Steps over `bytes`; what follows begins a line where they end with a newline.
  void step(std::size_t bytes) {
    if (bytes == 0) return;
    at_ += bytes;
    line_starting_ = source_[at_ - 1] == '\n';
  }
  void skip_space() { step(space_at(rest())); }
  static std::size_t space_at(std::string_view text) { return stripped(text, nullptr, true, false).first; }

  // Text up to the next tag, and that tag.
  void data() {
    std::size_t tag = at_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        token(TokenKind::kData, source_.substr(at_));
        at_ = source_.size();
        return;
      }
      if (std::string_view("%{#").find(source_[tag + 1]) != std::string_view::npos) break;
    }
    const char kind = source_[tag + 1];
    const char sign = sign_at(tag + 2);
    print_data(source_.substr(at_, tag - at_), sign, kind == '{');
    at_ = tag;
    const std::size_t raw = kind == '%' ? raw_begin(tag + 2 + (sign != 0 ? 1 : 0)) : 0;
    if (raw != 0) {
      step(raw - at_);
      raw_block();
      return;
    }
    const Place begin = place();
    step(2 + (sign != 0 ? 1 : 0));
    if (kind == '#') {
      comment(begin);
    } else {
      tokens_.push_back({kind == '{' ? TokenKind::kVariableBegin : TokenKind::kBlockBegin, begin, "", {}});
      tag_body(kind == '{');
    }
  }

  char sign_at(std::size_t at) const {
    return at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? source_[at] : '\0';
  }

  // The text before a tag: '-' strips what is white before the tag, and lstrip_blocks what is on its line.
  void print_data(std::string text, char sign, bool is_variable) {
    if (sign == '-') {
      text.resize(stripped(text, nullptr, false, true).second);
    } else if (sign != '+' && settings_.lstrip_blocks && !is_variable) {
      const std::size_t newline = text.rfind('\n');
      const std::size_t line = newline == std::string::npos ? 0 : newline + 1;
      if ((line > 0 || line_starting_) &&
          space_at(std::string_view(text).substr(line)) == text.size() - line) {
        text.resize(line);
      }
    }
    if (!text.empty()) token(TokenKind::kData, std::move(text));
  }

  // Where `raw %}` ends that begins there behind white space, or 0.
  std::size_t raw_begin(std::size_t at) const { return word_tag(at, "raw", false); }

  // Where a block tag ends that has but that word, or 0.
  std::size_t word_tag(std::size_t at, std::string_view word, bool trims) const {
    const std::string_view source = source_;
    at += space_at(source.substr(at));
    if (!source.substr(at).starts_with(word)) return 0;
    at += word.size();
    at += space_at(source.substr(at));
    if (trims && source.substr(at).starts_with("+%}")) return at + 3;
    if (source.substr(at).starts_with("-%}")) return at + 3 + space_at(source.substr(at + 3));
    if (!source.substr(at).starts_with("%}")) return 0;
    at += 2;
    return trims && settings_.trim_blocks && source.substr(at).starts_with('\n') ? at + 1 : at;
  }

  void raw_block() {
    for (std::size_t tag = at_;; ++tag) {
      tag = source_.find("{%", tag);
      if (tag == std::string::npos)
        fail_here("expected {% endraw %} behind {% raw %}, got the end of the template");
      const char sign = sign_at(tag + 2);
      const std::size_t end = word_tag(tag + 2 + (sign != 0 ? 1 : 0), "endraw", true);
      if (end == 0) continue;
      print_data(source_.substr(at_, tag - at_), sign, false);
      step(end - at_);
      return;
    }
  }

  void comment(Place begin) {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string::npos)
      syntax_error(name_, begin, "expected #} behind {#, got the end of the template");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    step(end + 2 - at_);
    if (sign == '-') {
      skip_space();
    } else if (sign != '+' && settings_.trim_blocks && rest().starts_with('\n')) {
      step(1);
    }
  }

  // The tokens of a tag up to its end, which is no end within brackets.
  void tag_body(bool is_variable) {
    std::string open;
    for (;;) {
      if (at_ >= source_.size()) return;  // the parser says what is missing
      if (open.empty() && tag_end(is_variable)) return;
      if (const std::size_t space = space_at(rest()); space != 0) {
        step(space);
      } else if (!number() && !word() && !string()) {
        operator_token(open);
      }
    }
  }

  bool tag_end(bool is_variable) {
    const std::string_view end = is_variable ? "}}" : "%}";
    const char sign = sign_at(at_);
    if (sign == '+' && is_variable) return false;
    if (!rest().substr(sign != 0 ? 1 : 0).starts_with(end)) return false;
    token(is_variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, "");
    step(2 + (sign != 0 ? 1 : 0));
    if (sign == '-') {
      skip_space();
    } else if (sign == 0 && !is_variable && settings_.trim_blocks && rest().starts_with('\n')) {
      step(1);
    }
    return true;
  }

  // Digits with single underscores between them, from `at`; where they end.
  std::size_t digits(std::size_t at) const {
    if (at >= source_.size() || !is_ascii_digit(source_[at])) return at;
    while (at < source_.size() &&
           (is_ascii_digit(source_[at]) ||
            (source_[at] == '_' && at + 1 < source_.size() && is_ascii_digit(source_[at + 1])))) {
      ++at;
    }
    return at;
  }

  bool number() {
    const std::size_t whole = digits(at_);
    if (whole == at_) return false;
    const bool behind_dot = at_ > 0 && source_[at_ - 1] == '.';
    if (const std::size_t end = behind_dot ? 0 : float_end(whole); end != 0) {
      float_token(end);
    } else {
      integer_token(whole);
    }
    return true;
  }

  // Where a float ends whose first digits end at `whole`, or 0 where it is none.
  std::size_t float_end(std::size_t whole) const {
    std::size_t end = whole;
    if (whole < source_.size() && source_[whole] == '.')
      end = digits(whole + 1) > whole + 1 ? digits(whole + 1) : whole;
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      const std::size_t exponent = end + 1 + (sign_at(end + 1) != 0 ? 1 : 0);
      if (const std::size_t last = digits(exponent); last > exponent) return last;
    }
    return end > whole ? end : 0;
  }

  std::string without_underscores(std::size_t end) const {
    std::string text = source_.substr(at_, end - at_);
    std::erase(text, '_');
    return text;
  }

  void float_token(std::size_t end) {
    const std::string text = without_underscores(end);
    double value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    // Python reads what is too large as infinity, and what is too small as zero.
    if (result.ec == std::errc::result_out_of_range)
      value = text.find('-') != std::string::npos ? 0 : HUGE_VAL;
    token(TokenKind::kFloat, text).number = Value::number(value);
    step(end - at_);
  }

  void integer_token(std::size_t end) {
    int base = 10;
    std::size_t first = at_;
    if (source_[at_] == '0') {
      const char mark = at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 0x20) : '\0';
      base = mark == 'b' ? 2 : mark == 'o' ? 8 : mark == 'x' ? 16 : 10;
      const std::size_t last = base == 10 ? 0 : based_digits(at_ + 2, base);
      if (last > at_ + 2) {
        first = at_ + 2;
        end = last;
      } else {
        base = 10;
        for (end = at_ + 1; end < source_.size() && zero_at(end) != 0;) end += zero_at(end);
      }
    }
    std::string text = source_.substr(first, end - first);
    std::erase(text, '_');
    std::int64_t value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value, base).ec != std::errc()) {
      fail_here(fmt::format("expected a whole number of 64 bits, got {}", printable(text)));
    }
    token(TokenKind::kInteger, source_.substr(at_, end - at_)).number = Value::integer(value);
    step(end - at_);
  }

  std::size_t zero_at(std::size_t at) const {
    const std::string_view text = std::string_view(source_).substr(at);
    return text.starts_with('0') ? 1 : text.starts_with("_0") ? 2 : 0;
  }

  std::size_t based_digits(std::size_t at, int base) const {
    const auto is_digit_of_base = [&](std::size_t i) {
      if (i >= source_.size()) return false;
      const char c = static_cast<char>(source_[i] | 0x20);
      const int value = is_ascii_digit(source_[i]) ? source_[i] - '0'
                        : c >= 'a' && c <= 'f'     ? c - 'a' + 10
                                                   : 99;
      return value < base;
    };
    while (is_digit_of_base(at) || (at < source_.size() && source_[at] == '_' && is_digit_of_base(at + 1)))
      ++at;
    return at;
  }

  bool word() {
    std::size_t end = at_;
    while (end < source_.size()) {
      const Utf8Step step = utf8_step(std::string_view(source_).substr(end));
      if (step.code_point != '_' && !is_alphanumeric(step.code_point)) break;
      end += static_cast<std::size_t>(step.length);
    }
    if (end == at_) return false;
    const char32_t first = utf8_step(rest()).code_point;
    if (first != '_' && !is_letter(first))
      fail_here("expected a name that begins with a letter, got another");
    token(TokenKind::kName, source_.substr(at_, end - at_));
    step(end - at_);
    return true;
  }

  bool string() {
    const char quote = source_[at_];
    if (quote != '\'' && quote != '"') return false;
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return false;
    std::string value, error;
    if (!unescaped(std::string_view(source_).substr(at_ + 1, end - at_ - 1), value, error)) fail_here(error);
    token(TokenKind::kString, std::move(value));
    step(end + 1 - at_);
    return true;
  }

  void operator_token(std::string& open) {
    static constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
    static constexpr std::string_view kOne = "+-/*%~[](){}<>=.:|,;";
    std::string_view text = rest().substr(0, 2);
    if (std::ranges::find(kTwo, text) == std::end(kTwo)) text = text.substr(0, 1);
    if (text.size() == 1 && kOne.find(text[0]) == std::string_view::npos) {
      const auto length = static_cast<std::size_t>(utf8_step(rest()).length);
      fail_here(fmt::format("expected an expression, got '{}'", printable(rest().substr(0, length))));
    }
    if (text == "(") open += ')';
    if (text == "[") open += ']';
    if (text == "{") open += '}';
    if (text == ")" || text == "]" || text == "}") {
      if (open.empty() || open.back() != text[0]) {
        fail_here(open.empty() ? fmt::format("expected no '{}' without its beginning, got one", text)
                               : fmt::format("expected '{}', got '{}'", open.back(), text));
      }
      open.pop_back();
    }
    token(TokenKind::kOperator, std::string(text));
    step(text.size());
  }

  const std::string& name_;
  const Settings& settings_;
  const std::string source_;
  std::size_t at_ = 0, counted_ = 0;
  Place place_;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view source, const std::string& name, const Settings& settings) {
  return Lexer(source, name, settings).run();
}

std::string described(const Token& token) {
  switch (token.kind) {
    case TokenKind::kData:
      return "text";
    case TokenKind::kVariableBegin:
      return "'{{'";
    case TokenKind::kVariableEnd:
      return "'}}'";
    case TokenKind::kBlockBegin:
      return "'{%'";
    case TokenKind::kBlockEnd:
      return "'%}'";
    case TokenKind::kString:
      return "a string";
    case TokenKind::kEnd:
      return "the end of the template";
    default:
      return "'" + printable(token.text, 40) + "'";
  }
}

void syntax_error(const std::string& name, Place place, std::string_view message) {
  throw InputError(fmt::format("{}:{}:{}", name, place.line, place.column),
                   fmt::format("{}; correct the template", message));
}

}  // namespace refocus::jinja
