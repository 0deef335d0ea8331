#include "template/number_format.h"

#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "template/failure.h"
#include "template/runtime.h"

namespace refocus::jinja {
namespace {

std::int64_t read_number(std::string_view& text) {
  std::int64_t value = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    value = value * 10 + (text[0] - '0');
    if (value > INT32_MAX) fail("expected smaller numbers in a format, got a larger one");
    text.remove_prefix(1);
  }
  return value;
}

bool is_align(char c) { return c == '<' || c == '>' || c == '=' || c == '^'; }

// The separator between groups of digits from the right, of the part before the point. `width`: zeros go on
// in groups.
std::string grouped(const std::string& digits, char separator, std::size_t size, std::int64_t width) {
  std::string out;
  std::size_t count = 0;
  for (auto it = digits.rbegin(); it != digits.rend() || static_cast<std::int64_t>(out.size()) < width;) {
    if (count > 0 && count % size == 0) {
      out += separator;
      // A separator is never the first character, which may make the number one longer than asked for.
    }
    out += it != digits.rend() ? *it++ : '0';
    ++count;
  }
  return {out.rbegin(), out.rend()};
}

struct Parts {
  std::string sign, prefix, digits, rest;  // rest: from the point on
};

void format_whole(std::int64_t value, const FormatSpec& spec, Parts& parts) {
  if (spec.precision >= 0) fail("expected no precision in the format of a whole number, got one");
  const char type = spec.type == '\0' || spec.type == 'n' ? 'd' : spec.type;
  const int base = type == 'b' ? 2 : type == 'o' ? 8 : type == 'd' ? 10 : 16;
  parts.digits = digits_of(value, base, type == 'X');
  if (spec.alternate && base != 10)
    parts.prefix = type == 'b' ? "0b" : type == 'o' ? "0o" : type == 'x' ? "0x" : "0X";
}

void format_real(double value, const FormatSpec& spec, Parts& parts) {
  const double size = std::fabs(value);
  std::string text;
  if (spec.type == '%') {
    text = c_format(size * 100, 'f', spec.precision < 0 ? 6 : spec.precision, spec.alternate);
  } else if (spec.type == '\0' && spec.precision < 0) {
    text = float_text(size);
  } else if (spec.type == '\0') {
    // As 'g', but with a digit behind the point.
    text = c_format(size, 'g', std::max<std::int64_t>(spec.precision, 1), spec.alternate);
    if (std::isfinite(value) && text.find_first_of(".e") == std::string::npos) {
      text = static_cast<std::int64_t>(text.size()) >= spec.precision
                 ? c_format(size, 'e', std::max<std::int64_t>(spec.precision - 1, 0), false)
                 : text + ".0";
    }
  } else {
    text = c_format(size, spec.type == 'n' ? 'g' : spec.type, spec.precision < 0 ? 6 : spec.precision,
                    spec.alternate);
  }
  if (spec.type == '%') text += '%';
  const std::size_t point = std::min(text.find_first_not_of("0123456789"), text.size());
  parts.digits = text.substr(0, point);
  parts.rest = text.substr(point);
}

std::string repeated_fill(std::string_view fill, std::int64_t times) {
  std::string out;
  for (std::int64_t i = 0; i < times; ++i) out += fill;
  return out;
}

}  // namespace

FormatSpec parsed_spec(std::string_view text) {
  FormatSpec spec;
  if (!text.empty()) {
    const auto first = static_cast<std::size_t>(utf8_step(text).length);
    if (first < text.size() && is_align(text[first])) {
      spec.fill = text.substr(0, first);
      spec.align = text[first];
      text.remove_prefix(first + 1);
    } else if (is_align(text[0])) {
      spec.align = text[0];
      text.remove_prefix(1);
    }
  }
  const auto take = [&](std::string_view any) {
    if (text.empty() || any.find(text[0]) == std::string_view::npos) return '\0';
    const char c = text[0];
    text.remove_prefix(1);
    return c;
  };
  if (const char sign = take("+- ")) spec.sign = sign;
  spec.alternate = take("#") != 0;
  if (take("0") != 0) {
    spec.zero = true;
    if (spec.fill.empty()) spec.fill = "0";
  }
  spec.width = read_number(text);
  spec.grouping = take(",_");
  if (take(".") != 0) {
    if (text.empty() || text[0] < '0' || text[0] > '9')
      fail("expected digits behind '.' in a format, got none");
    spec.precision = read_number(text);
  }
  spec.type = take("bcdeEfFgGnosxX%");
  if (!text.empty()) fail("expected a format of Python, got '{}' in it", printable(text, 20));
  if (spec.width > kWidestNumber || spec.precision > kWidestNumber)
    fail("expected widths up to {} in a format, got more", kWidestNumber);
  return spec;
}

std::string digits_of(std::int64_t value, int base, bool capitals) {
  auto rest = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  const std::string_view digits = capitals ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  do {
    out.insert(out.begin(), digits[rest % static_cast<unsigned>(base)]);
    rest /= static_cast<unsigned>(base);
  } while (rest != 0);
  return out;
}

std::string c_format(double value, char type, std::int64_t precision, bool alternate) {
  const std::string format = fmt::format("%{}.{}{}", alternate ? "#" : "", precision, type);
  const int size = std::snprintf(nullptr, 0, format.c_str(), value);
  std::string out(static_cast<std::size_t>(size) + 1, '\0');
  std::snprintf(out.data(), out.size(), format.c_str(), value);
  out.pop_back();
  return out;
}

std::string formatted_number(const Value& value, const FormatSpec& spec) {
  static constexpr std::string_view kRealTypes = "eEfFgG%";
  const bool real =
      value.is(Kind::kFloat) || (spec.type != '\0' && kRealTypes.find(spec.type) != std::string_view::npos);
  if (spec.type == 's' ||
      (real && spec.type != '\0' && std::string_view("bcdoxX").find(spec.type) != std::string_view::npos)) {
    fail("expected a format for {}, got '{}'", type_name(value), spec.type);
  }
  Parts parts;
  bool negative = false;
  if (spec.type == 'c') {
    if (value.whole() < 0 || value.whole() > 0x10FFFF ||
        (value.whole() >= 0xD800 && value.whole() < 0xE000)) {
      fail("expected the number of a character, got {}", value.whole());
    }
    append_utf8(static_cast<char32_t>(value.whole()), parts.digits);
  } else if (real) {
    format_real(value.real(), spec, parts);
    negative = std::signbit(value.real()) && !std::isnan(value.real());
  } else {
    format_whole(value.whole(), spec, parts);
    negative = value.whole() < 0;
  }
  parts.sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  const char align = spec.align != 0 ? spec.align : spec.zero ? '=' : '>';
  const std::string fill = spec.fill.empty() ? " " : spec.fill;
  const auto taken = static_cast<std::int64_t>(parts.sign.size() + parts.prefix.size() + parts.rest.size());
  if (spec.grouping != 0) {
    const bool pads = align == '=' && fill == "0";
    const std::size_t size = spec.grouping == '_' &&
                                     std::string_view("boxX").find(spec.type) != std::string_view::npos &&
                                     spec.type != 0
                                 ? 4
                                 : 3;
    parts.digits = grouped(parts.digits, spec.grouping, size, pads ? spec.width - taken : 0);
  }
  const auto characters = static_cast<std::int64_t>(spec.type == 'c' ? 1 : parts.digits.size());
  const std::int64_t missing = std::max<std::int64_t>(spec.width - taken - characters, 0);
  const std::int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  const std::string body = parts.digits + parts.rest, head = parts.sign + parts.prefix;
  if (align == '=') return head + repeated_fill(fill, missing) + body;
  return repeated_fill(fill, left) + head + body + repeated_fill(fill, missing - left);
}

}  // namespace refocus::jinja
