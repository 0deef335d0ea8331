#include "base/json_reader.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>
#include <unordered_set>

#include "base/error.h"
#include "base/record_kind.h"
#include "base/text_file.h"
#include "base/utf8.h"

namespace refocus {
namespace {

// What a parser makes of a text that is only checked.
struct Nothing {};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The bytes of `text` that are valid UTF-8, from its beginning.
std::size_t valid_prefix(std::string_view text) {
  if (is_valid_utf8(text)) return text.size();
  std::size_t at = 0;
  for (;;) {
    const Utf8Step step = utf8_step(text.substr(at));
    if (step.status != Utf8Status::kValid) return at;
    at += static_cast<std::size_t>(step.length);
  }
}

// A recursive descent, of which kJsonDepth bounds the depth. Value: what the text becomes.
template <class Value>
class Parser {
  static constexpr bool kMakes = !std::is_same_v<Value, Nothing>;

 public:
  Parser(std::string_view text, const JsonSource& source) : text_(text), source_(source) {}

  Value whole() {
    if (const std::size_t valid = valid_prefix(text_); valid < text_.size()) {
      throw input_error(source_.where, "expected UTF-8, got other bytes at {}; {}", place(valid),
                        source_.remedy);
    }
    skip_blanks();
    Value out = value(0);
    skip_blanks();
    if (at_ < text_.size()) fail("nothing more");
    return out;
  }

 private:
  // Line and column of a byte.
  std::string place(std::size_t byte) const {
    std::size_t line = 1, column = 1;
    for (const char c : text_.substr(0, byte)) {
      if (c == '\n') {
        ++line;
        column = 1;
      } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
        ++column;
      }
    }
    return source_.one_line ? fmt::format("column {}", column)
                            : fmt::format("line {}, column {}", line, column);
  }

  // What stands at the place: a word or number, another character, or the end.
  std::string found() const {
    if (at_ >= text_.size()) return text_.empty() ? "an empty text" : "the end of the text";
    if (text_.substr(at_).starts_with(kByteOrderMark))
      return "a byte order mark (U+FEFF), which is invisible, as where files were joined";
    std::size_t end = at_;
    const auto in_word = [&](char c) {
      return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '+' ||
             c == '.';
    };
    while (end < text_.size() && end - at_ < 20 && in_word(text_[end])) ++end;
    if (end == at_) end += static_cast<std::size_t>(utf8_step(text_.substr(at_)).length);
    return "'" + printable(text_.substr(at_, end - at_)) + "'";
  }

  [[noreturn]] void fail(std::string_view expected) const {
    throw input_error(source_.where, "expected JSON with {} at {}, got {}; {}", expected, place(at_), found(),
                      source_.remedy);
  }

  bool next_is(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) {
    const bool there = next_is(c);
    at_ += there ? 1 : 0;
    return there;
  }
  void skip_blanks() {
    while (next_is(' ') || next_is('\n') || next_is('\r') || next_is('\t')) ++at_;
  }

  Value value(int depth) {
    if (next_is('{') || next_is('[')) {
      if (depth == kJsonDepth) {
        throw input_error(source_.where,
                          "expected JSON of at most {} levels, got one nested too deeply at {}; {}",
                          kJsonDepth, place(at_), source_.remedy);
      }
      return text_[at_] == '{' ? object(depth) : list(depth);
    }
    if (next_is('"')) return made(string());
    if (next_is('-') || (at_ < text_.size() && is_digit(text_[at_]))) return number();
    if (take_word("true")) return made(true);
    if (take_word("false")) return made(false);
    if (take_word("null")) return Value();
    fail("a value");
  }

  template <class T>
  static Value made(T&& value) {
    if constexpr (kMakes) return Value(std::forward<T>(value));
    return Value();
  }

  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Value object(int depth) {
    ++at_;
    Value out = made_empty<true>();
    std::unordered_set<std::string> keys;
    skip_blanks();
    if (take('}')) return out;
    do {
      skip_blanks();
      if (!next_is('"')) fail(keys.empty() ? "a key in quotes or '}'" : "a key in quotes");
      const std::size_t begin = at_;
      const auto [key, fresh] = keys.insert(string());
      if (!fresh) {
        throw input_error(source_.where, "expected each key once in JSON, got '{}' twice, again at {}; {}",
                          printable(*key), place(begin), source_.remedy);
      }
      skip_blanks();
      if (!take(':')) fail("':'");
      skip_blanks();
      Value member = value(depth + 1);
      if constexpr (kMakes) append(out, *key, std::move(member));
      skip_blanks();
    } while (take(','));
    if (!take('}')) fail("',' or '}'");
    return out;
  }

  // Past the search for an equal key: there is none.
  static void append(Value& object, const std::string& key, Value&& member) {
    if constexpr (std::is_same_v<Value, nlohmann::ordered_json>) {
      auto& members = object.template get_ref<nlohmann::ordered_json::object_t&>();
      static_cast<nlohmann::ordered_json::object_t::Container&>(members).emplace_back(key, std::move(member));
    } else {
      object.emplace(key, std::move(member));
    }
  }

  Value list(int depth) {
    ++at_;
    Value out = made_empty<false>();
    skip_blanks();
    if (take(']')) return out;
    do {
      skip_blanks();
      Value item = value(depth + 1);
      if constexpr (kMakes) out.push_back(std::move(item));
      skip_blanks();
    } while (take(','));
    if (!take(']')) fail("',' or ']'");
    return out;
  }

  template <bool object>
  static Value made_empty() {
    if constexpr (!kMakes)
      return Value();
    else
      return object ? Value::object() : Value::array();
  }

  std::string string() {
    std::string out;
    for (++at_;;) {
      std::size_t end = at_;
      while (end < text_.size() && text_[end] != '"' && text_[end] != '\\' &&
             static_cast<unsigned char>(text_[end]) >= 0x20) {
        ++end;
      }
      out.append(text_, at_, end - at_);
      at_ = end;
      if (take('"')) return out;
      if (!take('\\'))
        fail(at_ < text_.size() ? "no control character in a string" : "'\"' at the end of a string");
      escape(out);
    }
  }

  void escape(std::string& out) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kBytes = "\"\\/\b\f\n\r\t";
    const std::size_t name = at_ < text_.size() ? kNames.find(text_[at_]) : std::string_view::npos;
    if (name != std::string_view::npos) {
      out += kBytes[name];
      ++at_;
      return;
    }
    if (!take('u')) fail("one of \"\\/bfnrtu after '\\' in a string");
    char32_t code = hexadecimal();
    const std::size_t low_at = at_;
    if (code >= 0xD800 && code < 0xDC00 && take('\\') && take('u')) {
      const char32_t low = hexadecimal();
      if (low >= 0xDC00 && low < 0xE000) code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code >= 0xD800 && code < 0xE000) {
      at_ = low_at;
      fail("both halves of a character ('\\ud800' to '\\udbff', then '\\udc00' to '\\udfff') in a string");
    }
    append_utf8(code, out);
  }

  char32_t hexadecimal() {
    const std::string_view digits = text_.substr(at_, 4);
    std::uint32_t code = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (error != std::errc() || end != digits.data() + 4)
      fail("four hexadecimal digits after '\\u' in a string");
    at_ += 4;
    return code;
  }

  void take_digits() {
    if (at_ >= text_.size() || !is_digit(text_[at_])) fail("a digit");
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  }

  Value number() {
    const std::size_t begin = at_;
    const bool negative = take('-');
    if (!take('0')) take_digits();
    bool whole = true;
    if (take('.')) {
      whole = false;
      take_digits();
    }
    if (take('e') || take('E')) {
      whole = false;
      if (!take('+')) take('-');
      take_digits();
    }
    const char *first = text_.data() + begin, *last = text_.data() + at_;
    const auto as = [&](auto type) -> std::optional<Value> {
      const auto [end, error] = std::from_chars(first, last, type);
      return error == std::errc() ? std::optional(made(type)) : std::nullopt;
    };
    std::optional<Value> out;
    if (whole) out = negative ? as(std::int64_t{}) : as(std::uint64_t{});
    if (out) return *out;
    // strtod, since from_chars does not tell what is too large from what is too small.
    const double real = std::strtod(std::string(first, last).c_str(), nullptr);
    if (!std::isfinite(real)) {
      at_ = begin;
      fail("numbers that a double can hold");
    }
    return made(real);
  }

  std::string_view text_;
  const JsonSource& source_;
  std::size_t at_ = 0;
};

template <class Value>
Value parse_object(std::string_view text, const JsonSource& source) {
  Value out = Parser<Value>(text, source).whole();
  if (!out.is_object()) {
    throw input_error(source.where, "expected a JSON object, got {}; {}", json_kind(out), source.remedy);
  }
  return out;
}

template <class Value>
std::string text_of(const Value& value, int indent) {
  return value.dump(indent, ' ', false, Value::error_handler_t::replace);
}

template <class Value>
std::string_view kind_of(const Value& value) {
  switch (value.type()) {
    case Value::value_t::object:
      return "an object";
    case Value::value_t::array:
      return "a list";
    case Value::value_t::string:
      return "a text";
    case Value::value_t::boolean:
      return "true or false";
    case Value::value_t::null:
      return "null";
    default:
      return "a number";
  }
}

}  // namespace

nlohmann::json parse_json(std::string_view text, const JsonSource& source) {
  return Parser<nlohmann::json>(text, source).whole();
}
nlohmann::ordered_json parse_ordered_json(std::string_view text, const JsonSource& source) {
  return Parser<nlohmann::ordered_json>(text, source).whole();
}
nlohmann::json parse_json_object(std::string_view text, const JsonSource& source) {
  return parse_object<nlohmann::json>(text, source);
}
nlohmann::ordered_json parse_ordered_json_object(std::string_view text, const JsonSource& source) {
  return parse_object<nlohmann::ordered_json>(text, source);
}

std::optional<nlohmann::json> json_or_nothing(std::string_view text) {
  try {
    return parse_json(text, {"text"});
  } catch (const InputError&) {
    return std::nullopt;
  }
}

void check_json(std::string_view text, const JsonSource& source) { Parser<Nothing>(text, source).whole(); }

bool is_blank_line(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

std::vector<JsonLine> json_lines(std::string_view text, const std::string& file, BlankLines blank) {
  refuse_other_lines(text, file);
  std::vector<JsonLine> lines;
  int number = 0, first_blank = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (is_blank_line(line)) {
      if (first_blank == 0) first_blank = number;
      continue;
    }
    if (first_blank != 0 && blank == BlankLines::kAtEnd) {
      throw input_error(fmt::format("{}:{}", file, first_blank),
                        "expected a JSON object, got a blank line; remove it");
    }
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back({line, number});
  }
  return lines;
}

std::string json_text(const nlohmann::json& value, int indent) { return text_of(value, indent); }
std::string json_text(const nlohmann::ordered_json& value, int indent) { return text_of(value, indent); }

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

std::string_view json_kind(const nlohmann::json& value) { return kind_of(value); }
std::string_view json_kind(const nlohmann::ordered_json& value) { return kind_of(value); }

}  // namespace refocus
