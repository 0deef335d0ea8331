#include "eval/harness/literal.h"

#include <charconv>

#include "base/utf8.h"

namespace refocus::harness {

namespace {

using jinja::Text;
using jinja::TextBuilder;
using jinja::Value;

// What is no literal: caught by literal_value alone.
struct NoLiteral {};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         (c & 0x80) != 0;
}

class LiteralReader {
 public:
  explicit LiteralReader(const Text& text) : text_(text), bytes_(text.bytes()) {}

  Value read() {
    while (at_ < bytes_.size() && (peek() == ' ' || peek() == '\t')) ++at_;
    Value out = bare_tuple();
    while (at_ < bytes_.size() && peek() == '\n') ++at_;
    if (at_ != bytes_.size()) throw NoLiteral();
    return out;
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < bytes_.size() ? bytes_[at_ + ahead] : '\0'; }
  // Lines may end within brackets only.
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\f' ||
           (brackets_ > 0 && (peek() == '\n' || peek() == '\r'))) {
      ++at_;
    }
  }
  bool accept(char c) {
    skip_blanks();
    if (peek() != c || at_ >= bytes_.size()) return false;
    ++at_;
    return true;
  }

  // "1, 2" is a tuple without its brackets.
  Value bare_tuple() {
    const auto source = text_.source_at(at_);
    Value first = value();
    skip_blanks();
    if (peek() != ',' || at_ >= bytes_.size()) return first;
    std::vector<Value> items = {std::move(first)};
    while (accept(',')) {
      skip_blanks();
      if (at_ >= bytes_.size() || peek() == '\n') break;
      items.push_back(value());
      skip_blanks();
    }
    return Value::tuple(std::move(items), source);
  }

  Value value() {
    if (++depth_ > 100) throw NoLiteral();
    skip_blanks();
    const auto source = text_.source_at(at_);
    Value out;
    const char c = peek();
    if (at_ >= bytes_.size()) throw NoLiteral();
    if (c == '[') {
      out = Value::list(items(']').first, source);
    } else if (c == '(') {
      auto [inner, comma] = items(')');
      // (x) is x itself, (x,) and () are tuples.
      out = inner.size() == 1 && !comma ? inner.front() : Value::tuple(std::move(inner), source);
    } else if (c == '{') {
      out = dict(source);
    } else if (starts_text()) {
      out = texts();
    } else if (c == '-' || c == '+') {
      ++at_;
      out = number(c == '-', source);
    } else if ((c >= '0' && c <= '9') || c == '.') {
      out = number(false, source);
    } else {
      out = name(source);
    }
    --depth_;
    return out;
  }

  // The items, and whether a comma is behind the last one.
  std::pair<std::vector<Value>, bool> items(char end) {
    ++at_;
    ++brackets_;
    std::vector<Value> out;
    bool comma = false;
    while (!accept(end)) {
      if (!out.empty() && !comma) throw NoLiteral();
      out.push_back(value());
      comma = accept(',');
    }
    --brackets_;
    return {std::move(out), comma};
  }

  Value dict(jinja::Source source) {
    ++at_;
    ++brackets_;
    const auto data = std::make_shared<jinja::DictData>();
    bool comma = true;
    while (!accept('}')) {
      if (!comma) throw NoLiteral();
      Value key = value();
      if (!accept(':')) throw NoLiteral();
      if (!data->set(std::move(key), value())) throw NoLiteral();
      comma = accept(',');
    }
    --brackets_;
    return jinja::make_dict(data, source);
  }

  Value name(jinja::Source source) {
    const std::size_t begin = at_;
    while (at_ < bytes_.size() && is_name_byte(peek())) ++at_;
    const std::string_view word = bytes_.substr(begin, at_ - begin);
    if (word == "True") return Value::boolean(true, source);
    if (word == "False") return Value::boolean(false, source);
    if (word == "None") return Value::none(source);
    throw NoLiteral();
  }

  Value number(bool negative, jinja::Source source) {
    skip_blanks();
    const std::size_t begin = at_;
    while (at_ < bytes_.size() && (is_name_byte(peek()) || peek() == '.' ||
                                   ((peek() == '-' || peek() == '+') && at_ > begin &&
                                    (bytes_[at_ - 1] == 'e' || bytes_[at_ - 1] == 'E')))) {
      ++at_;
    }
    std::string digits;
    for (std::size_t i = begin; i < at_; ++i) {
      const char c = bytes_[i];
      if (c != '_') {
        digits += c;
        continue;
      }
      // An underscore stands between two digits.
      const bool between =
          i > begin && i + 1 < at_ && hex_digit(bytes_[i - 1]) < 16 && hex_digit(bytes_[i + 1]) < 16;
      if (!between) throw NoLiteral();
    }
    int base = 10;
    std::size_t from = 0;
    if (digits.size() > 2 && digits[0] == '0') {
      const char mark = static_cast<char>(digits[1] | 0x20);
      base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
      from = base == 10 ? 0 : 2;
    }
    std::uint64_t whole = 0;
    const char* last = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data() + from, last, whole, base);
    if (error == std::errc() && end == last) {
      // 007 is no number to Python, but 000 is.
      if (base == 10 && digits.size() > 1 && digits[0] == '0' && whole != 0) throw NoLiteral();
      if (whole > std::uint64_t{INT64_MAX}) throw NoLiteral();
      const auto value = static_cast<std::int64_t>(whole);
      return Value::integer(negative ? -value : value, source);
    }
    if (digits.find_first_not_of("0123456789") == std::string::npos) throw NoLiteral();  // beyond 64 bits
    double real = 0;
    const auto [stop, wrong] = std::from_chars(digits.data(), last, real);
    const bool starts = !digits.empty() && (digits[0] == '.' || (digits[0] >= '0' && digits[0] <= '9'));
    if (base != 10 || !starts || wrong != std::errc() || stop != last) throw NoLiteral();
    return Value::number(negative ? -real : real, source);
  }

  // A quote, perhaps behind r or u.
  bool starts_text() const {
    const char c = peek();
    if (c == '\'' || c == '"') return true;
    const char small = static_cast<char>(c | 0x20);
    return (small == 'r' || small == 'u') && (peek(1) == '\'' || peek(1) == '"');
  }

  // Texts beside each other are one.
  Value texts() {
    TextBuilder out(jinja::Limits().text);
    do {
      one_text(out);
      skip_blanks();
    } while (starts_text());
    return Value(out.take());
  }

  void one_text(TextBuilder& out) {
    const bool raw = (peek() | 0x20) == 'r';
    if (peek() != '\'' && peek() != '"') ++at_;
    const char quote = peek();
    const bool triple = peek(1) == quote && peek(2) == quote;
    at_ += triple ? 3 : 1;
    while (true) {
      if (at_ >= bytes_.size()) throw NoLiteral();
      if (peek() == quote && (!triple || (peek(1) == quote && peek(2) == quote))) break;
      if (!triple && (peek() == '\n' || peek() == '\r')) throw NoLiteral();
      if (peek() != '\\') {
        const std::size_t begin = at_++;
        while (at_ < bytes_.size() && kStops.find(peek()) == std::string_view::npos) ++at_;
        out.add(text_, begin, at_);
      } else if (raw) {
        if (at_ + 1 >= bytes_.size()) throw NoLiteral();
        const std::size_t length = kStops.find(peek(1)) == std::string_view::npos ? 1 : 2;
        out.add(text_, at_, at_ + length);
        at_ += length;
      } else {
        escape(out);
      }
    }
    at_ += triple ? 3 : 1;
  }

  void escape(TextBuilder& out) {
    const auto source = text_.source_at(at_);
    const char c = peek(1);
    static constexpr std::string_view kNames = "\\'\"abfnrtv", kBytes = "\\'\"\a\b\f\n\r\t\v";
    const std::size_t known = c == '\0' ? std::string_view::npos : kNames.find(c);
    if (known != std::string_view::npos) {
      out.add(kBytes.substr(known, 1), source);
      at_ += 2;
    } else if (c == '\n') {
      at_ += 2;  // the line goes on
    } else if (c == 'x' || c == 'u' || c == 'U') {
      coded(c == 'x' ? 2 : c == 'u' ? 4 : 8, source, out);
    } else if (c >= '0' && c <= '7') {
      octal(source, out);
    } else if (c == 'N' || at_ + 1 >= bytes_.size()) {
      throw NoLiteral();
    } else {
      out.add(text_, at_, at_ + 1);  // an unknown escape is a backslash
      ++at_;
    }
  }

  void coded(std::size_t digits, jinja::Source source, TextBuilder& out) {
    char32_t code = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const int digit = hex_digit(peek(2 + i));
      if (digit > 15) throw NoLiteral();
      code = code * 16 + static_cast<char32_t>(digit);
    }
    // A half of a surrogate pair is no character of a text in UTF-8.
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) throw NoLiteral();
    std::string character;
    append_utf8(code, character);
    out.add(character, source);
    at_ += 2 + digits;
  }

  void octal(jinja::Source source, TextBuilder& out) {
    char32_t code = 0;
    ++at_;
    for (int i = 0; i < 3 && peek() >= '0' && peek() <= '7'; ++i)
      code = code * 8 + static_cast<char32_t>(bytes_[at_++] - '0');
    std::string character;
    append_utf8(code, character);
    out.add(character, source);
  }

  static constexpr std::string_view kStops = "\\'\"\n\r";

  const Text& text_;
  std::string_view bytes_;
  std::size_t at_ = 0;
  int depth_ = 0, brackets_ = 0;
};

}  // namespace

std::optional<Value> literal_value(const Text& text) {
  try {
    return LiteralReader(text).read();
  } catch (const NoLiteral&) {
    return std::nullopt;
  }
}

bool is_ascii_digits(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
  }
  return true;
}

}  // namespace refocus::harness
