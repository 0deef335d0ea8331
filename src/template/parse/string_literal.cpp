#include "template/parse/string_literal.h"

#include <fmt/core.h>

#include <charconv>

#include "base/error.h"
#include "base/utf8.h"

namespace refocus::jinja {
namespace {

// Digits of that base at the beginning, at most `most`; how many.
std::size_t read_digits(std::string_view text, std::size_t most, int base, std::uint32_t& value) {
  const std::string_view digits = text.substr(0, most);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  return error == std::errc() ? static_cast<std::size_t>(end - digits.data()) : 0;
}

// "\x", "\u" and "\U": the digits behind the letter. How many bytes they are, or 0 with a message.
std::size_t code_point_escape(char letter, std::string_view digits, std::string& out, std::string& error) {
  const std::size_t count = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
  std::uint32_t code = 0;
  if (read_digits(digits, count, 16, code) != count) {
    error = fmt::format("expected {} hexadecimal digits behind '\\{}' in a string, got fewer", count, letter);
    return 0;
  }
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
    error = fmt::format("expected a character as '\\{}{}' in a string, got none", letter,
                        digits.substr(0, count));
    return 0;
  }
  append_utf8(code, out);
  return count;
}

}  // namespace

bool unescaped(std::string_view literal, std::string& out, std::string& error) {
  static constexpr std::string_view kNames = "\\'\"abfnrtv", kBytes = "\\'\"\a\b\f\n\r\t\v";
  out.clear();
  while (!literal.empty()) {
    const std::size_t plain = std::min(literal.find('\\'), literal.size());
    out += literal.substr(0, plain);
    literal.remove_prefix(plain);
    if (literal.size() < 2) {
      out += literal;
      break;
    }
    const char letter = literal[1];
    literal.remove_prefix(2);
    if (const std::size_t name = kNames.find(letter); name != std::string_view::npos) {
      out += kBytes[name];
    } else if (letter == '\n') {
      // A line that goes on.
    } else if (letter >= '0' && letter < '8') {
      std::uint32_t code = 0;
      const std::string digits = letter + std::string(literal.substr(0, 2));
      literal.remove_prefix(read_digits(digits, 3, 8, code) - 1);
      append_utf8(code, out);
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
      const std::size_t digits = code_point_escape(letter, literal, out, error);
      if (digits == 0) return false;
      literal.remove_prefix(digits);
    } else if (letter == 'N') {
      error = "expected no names of characters ('\\N') in a string, got one";
      return false;
    } else if (static_cast<unsigned char>(letter) < 0x80) {
      out += '\\';
      out += letter;
    } else {
      // jinja2 escapes such a character itself before it reads escapes, and finds a backslash escaped.
      const std::string_view whole(literal.data() - 1, literal.size() + 1);
      const Utf8Step step = utf8_step(whole);
      const auto code = static_cast<std::uint32_t>(step.code_point);
      out += code < 0x100     ? fmt::format("\\x{:02x}", code)
             : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                              : fmt::format("\\U{:08x}", code);
      literal = whole.substr(static_cast<std::size_t>(step.length));
    }
  }
  return true;
}

}  // namespace refocus::jinja
