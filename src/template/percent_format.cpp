#include "template/percent_format.h"

#include <cmath>

#include "base/utf8.h"
#include "template/number_format.h"
#include "template/operators.h"
#include "template/text_operations.h"

namespace refocus::jinja {
namespace {

struct Conversion {
  bool left = false, sign = false, blank = false, alternate = false, zero = false;
  std::int64_t width = 0, precision = -1;
  char type = '\0';
};

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const Text& format, const Value& arguments)
      : runtime_(runtime), format_(format), arguments_(arguments), out_(runtime.builder()) {}

  Text run() {
    const std::string_view bytes = format_.bytes();
    while (at_ < bytes.size()) {
      const std::size_t percent = std::min(bytes.find('%', at_), bytes.size());
      out_.add(format_, at_, percent);
      at_ = percent;
      if (at_ < bytes.size()) conversion();
    }
    const bool is_tuple = arguments_.is(Kind::kTuple);
    // What could be looked into by name may be left unused.
    const bool by_name = arguments_.is_dict() || arguments_.is(Kind::kList) || arguments_.is_undefined() ||
                         arguments_.is(Kind::kRange);
    const std::size_t count = is_tuple ? arguments_.sequence().items.size() : by_name ? used_ : 1;
    if (used_ < count) fail("expected a conversion for each argument of '%', got more arguments");
    return out_.take(format_.markup());
  }

 private:
  char now() const {
    if (at_ >= format_.size()) fail("expected a conversion behind '%', got the end of the text");
    return format_.bytes()[at_];
  }

  const Value& argument() {
    if (arguments_.is(Kind::kTuple)) {
      const auto& items = arguments_.sequence().items;
      if (used_ >= items.size()) fail("expected an argument for each conversion of '%', got fewer");
      return items[used_++];
    }
    if (used_++ > 0) fail("expected an argument for each conversion of '%', got fewer");
    return arguments_;
  }

  const Value& named_argument() {
    std::size_t end = at_ + 1;
    for (int open = 1; open > 0; ++end) {
      if (end >= format_.size()) fail("expected ')' behind '%(' in a format, got none");
      if (format_.bytes()[end] == '(') ++open;
      if (format_.bytes()[end] == ')') --open;
    }
    if (!arguments_.is_dict()) fail("expected a dict for '%(name)s', got {}", type_name(arguments_));
    const std::string_view name = format_.bytes().substr(at_ + 1, end - at_ - 2);
    const Value* found = arguments_.dict().find(name);
    if (found == nullptr) fail("expected '{}' in the dict of '%', got none", printable(name, 40));
    at_ = end;
    return *found;
  }

  std::int64_t number() {
    if (now() == '*') {
      ++at_;
      return whole_argument("%", argument());
    }
    std::int64_t value = 0;
    for (; now() >= '0' && now() <= '9'; ++at_) {
      value = value * 10 + (now() - '0');
      if (value > kWidestNumber) break;
    }
    return value;
  }

  void conversion() {
    ++at_;
    const Value* given = nullptr;
    if (now() == '(') given = &named_argument();
    Conversion how;
    for (;; ++at_) {
      const char c = now();
      if (c == '-') {
        how.left = true;
      } else if (c == '+') {
        how.sign = true;
      } else if (c == ' ') {
        how.blank = true;
      } else if (c == '#') {
        how.alternate = true;
      } else if (c == '0') {
        how.zero = true;
      } else {
        break;
      }
    }
    how.width = number();
    if (how.width < 0) {
      how.left = true;
      how.width = -how.width;
    }
    if (now() == '.') {
      ++at_;
      how.precision = std::max<std::int64_t>(number(), 0);
    }
    if (now() == 'h' || now() == 'l' || now() == 'L') ++at_;
    how.type = now();
    if (how.width > kWidestNumber || how.precision > kWidestNumber)
      fail("expected widths up to {} in a format, got more", kWidestNumber);
    const Source percent = format_.source_at(at_);
    ++at_;
    if (how.type == '%') {
      out_.add("%", percent);
      return;
    }
    put(given != nullptr ? *given : argument(), how);
  }

  void put(const Value& value, const Conversion& how) {
    switch (how.type) {
      case 's':
      case 'r':
      case 'a':
        return put_text(text_for(value, how.type), how);
      case 'c':
        return put_text(character(value), how);
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        return put_whole(value, how);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        return put_real(value, how);
      default:
        fail("expected a conversion of Python behind '%', got another character");
    }
  }

  Text text_for(const Value& value, char type) {
    if (type == 'a') fail("expected no conversion '%a', which is not read, got it");
    if (type == 's') {
      const Text text = value.is_text() && value.text().markup() ? value.text() : str(runtime_, value);
      return format_.markup() ? escaped_html(runtime_, text) : text;
    }
    TextBuilder out = runtime_.builder();
    add_repr(runtime_, value, out);
    return format_.markup() ? escaped_html(runtime_, out.take()) : out.take();
  }

  Text character(const Value& value) {
    if (value.is_text() && value.text().length() == 1) return value.text();
    FormatSpec spec;
    spec.type = 'c';
    if (!value.is_whole()) fail("expected a character for '%c', got {}", type_name(value));
    return Text(formatted_number(value, spec), value.source());
  }

  void put_text(const Text& text, const Conversion& how) {
    const auto most = how.precision >= 0 ? static_cast<std::size_t>(how.precision) : text.length();
    const Text shown = text.characters_between(0, std::min(most, text.length()));
    out_.add(padded(runtime_, shown.with_markup(false), how.width, how.left ? Side::kLeft : Side::kRight));
  }

  void put_whole(const Value& value, const Conversion& how) {
    refuse_undefined(value);
    Value whole = value;
    if (value.is(Kind::kFloat) && (how.type == 'd' || how.type == 'i' || how.type == 'u')) {
      if (!(std::fabs(value.real()) < 9.2e18))
        fail("expected a whole number of 64 bits for '%d', got another");
      whole = Value::integer(static_cast<std::int64_t>(value.real()), value.source());
    }
    if (!whole.is_whole()) fail("expected a whole number for '%{}', got {}", how.type, type_name(value));
    const int base = how.type == 'o' ? 8 : how.type == 'x' || how.type == 'X' ? 16 : 10;
    std::string digits = digits_of(whole.whole(), base, how.type == 'X');
    if (how.precision > static_cast<std::int64_t>(digits.size()))
      digits.insert(0, static_cast<std::size_t>(how.precision) - digits.size(), '0');
    std::string prefix;
    if (how.alternate && base != 10) prefix = how.type == 'o' ? "0o" : how.type == 'x' ? "0x" : "0X";
    put_number(whole.whole() < 0, prefix, digits, how, value.source());
  }

  void put_real(const Value& value, const Conversion& how) {
    refuse_undefined(value);
    if (!value.is_number()) fail("expected a number for '%{}', got {}", how.type, type_name(value));
    const double real = value.real();
    const std::string digits =
        c_format(std::fabs(real), how.type, how.precision < 0 ? 6 : how.precision, how.alternate);
    put_number(std::signbit(real) && !std::isnan(real), "", digits, how, value.source());
  }

  void put_number(bool negative, const std::string& prefix, const std::string& digits, const Conversion& how,
                  Source source) {
    const std::string head = (negative ? "-" : how.sign ? "+" : how.blank ? " " : "") + prefix;
    const auto size = static_cast<std::int64_t>(head.size() + digits.size());
    const auto missing = static_cast<std::size_t>(std::max<std::int64_t>(how.width - size, 0));
    const bool zeros = how.zero && !how.left;
    if (!zeros && !how.left) out_.add(" ", missing, source);
    out_.add(head, source);
    if (zeros) out_.add("0", missing, source);
    out_.add(digits, source);
    if (how.left) out_.add(" ", missing, source);
  }

  Runtime& runtime_;
  const Text& format_;
  const Value& arguments_;
  TextBuilder out_;
  std::size_t at_ = 0, used_ = 0;
};

}  // namespace

Text percent_formatted(Runtime& runtime, const Text& format, const Value& arguments) {
  runtime.charge(format);
  return PercentFormatter(runtime, format, arguments).run();
}

}  // namespace refocus::jinja
