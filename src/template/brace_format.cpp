// Python's str.format, with the sandbox's lookups (jinja2.sandbox.SandboxedFormatter).
#include "base/utf8.h"
#include "template/number_format.h"
#include "template/operators.h"
#include "template/text_operations.h"

namespace refocus::jinja {
namespace {

bool is_index(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Arguments& arguments) : runtime_(runtime), arguments_(arguments) {}

  // `levels`: how many formats within formats may follow.
  Text run(const Text& format, int levels, bool escapes) {
    if (levels < 0) fail("expected at most one level of braces in braces of a format, got more");
    runtime_.charge(format);
    TextBuilder out = runtime_.builder();
    const std::string_view bytes = format.bytes();
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t brace = std::min(bytes.find_first_of("{}", at), bytes.size());
      out.add(format, at, brace);
      if (brace == bytes.size()) break;
      if (bytes.substr(brace + 1).starts_with(bytes[brace])) {
        out.add(format, brace, brace + 1);
        at = brace + 2;
        continue;
      }
      if (bytes[brace] == '}') fail("expected '}}' twice or behind '{{' in a format, got it alone");
      const std::size_t end = field_end(bytes, brace + 1);
      const Text field = replacement(format.bytes_between(brace + 1, end), levels);
      out.add(escapes ? escaped_html(runtime_, field) : field);
      at = end + 1;
    }
    return out.take();
  }

 private:
  static std::size_t field_end(std::string_view bytes, std::size_t at) {
    int open = 1;
    bool in_brackets = false;
    for (; at < bytes.size(); ++at) {
      const char c = bytes[at];
      if (c == '[') in_brackets = true;
      if (c == ']') in_brackets = false;
      if (in_brackets) continue;
      if (c == '{') ++open;
      if (c == '}' && --open == 0) return at;
    }
    fail("expected '}}' behind '{{' in a format, got none");
  }

  // NAME[!CONVERSION][:SPECIFICATION]
  Text replacement(const Text& field, int levels) {
    const std::string_view bytes = field.bytes();
    std::size_t name_end = 0;
    for (bool in_brackets = false; name_end < bytes.size(); ++name_end) {
      const char c = bytes[name_end];
      if (c == '[') in_brackets = true;
      if (c == ']') in_brackets = false;
      if (!in_brackets && (c == '!' || c == ':')) break;
    }
    std::size_t at = name_end;
    char conversion = '\0';
    if (at < bytes.size() && bytes[at] == '!') {
      if (at + 1 >= bytes.size() || (at + 2 < bytes.size() && bytes[at + 2] != ':'))
        fail("expected '!s', '!r' or '!a' in a format, got another");
      conversion = bytes[at + 1];
      at += 2;
    }
    const Value value = looked_up(bytes.substr(0, name_end));
    Text spec;
    if (at < bytes.size()) spec = run(field.bytes_between(at + 1, bytes.size()), levels - 1, false);
    return formatted(converted(value, conversion), spec);
  }

  Value looked_up(std::string_view name) {
    const std::size_t first_end = std::min(name.find_first_of(".["), name.size());
    Value value = first_value(name.substr(0, first_end));
    for (std::size_t at = first_end; at < name.size();) {
      if (name[at] == '.') {
        const std::size_t end = std::min(name.find_first_of(".[", at + 1), name.size());
        if (end == at + 1) fail("expected a name behind '.' in a format, got none");
        value = attribute_of(runtime_, value, name.substr(at + 1, end - at - 1));
        at = end;
      } else if (name[at] == '[') {
        const std::size_t end = name.find(']', at);
        if (end == std::string_view::npos || end == at + 1)
          fail("expected a key and ']' behind '[' in a format, got none");
        const std::string_view key = name.substr(at + 1, end - at - 1);
        value = item_of(runtime_, value,
                        is_index(key) ? Value::integer(*parsed_whole(key, 10)) : Value(Text(key)));
        at = end + 1;
      } else {
        fail("expected '.' or '[' behind ']' in a format, got another character");
      }
    }
    return value;
  }

  Value first_value(std::string_view name) {
    const auto& positional = arguments_.positional;
    if (name.empty() || is_index(name)) {
      const bool automatic = name.empty();
      if (numbering_ != 0 && (numbering_ == 1) != automatic)
        fail("expected '{{}}' or '{{0}}' in a format, got both");
      numbering_ = automatic ? 1 : 2;
      const auto index = automatic ? static_cast<std::int64_t>(next_++) : *parsed_whole(name, 10);
      if (index >= static_cast<std::int64_t>(positional.size()))
        fail("expected an argument for each '{{}}' of a format, got fewer");
      return positional[static_cast<std::size_t>(index)];
    }
    for (const auto& [key, value] : arguments_.named) {
      if (key == name) return value;
    }
    fail("expected an argument '{}' of a format, got none", printable(name, 40));
  }

  Value converted(const Value& value, char conversion) {
    if (conversion == '\0') return value;
    if (conversion == 's') return str(runtime_, value);
    if (conversion != 'r') fail("expected '!s' or '!r' in a format, got another");
    TextBuilder out = runtime_.builder();
    add_repr(runtime_, value, out);
    return out.take();
  }

  Text formatted(const Value& value, const Text& spec_text) {
    if (spec_text.empty()) return value.is_text() ? value.text() : str(runtime_, value);
    if (value.is_number()) {
      const FormatSpec spec = parsed_spec(spec_text.bytes());
      return Text(formatted_number(value.is(Kind::kBool) ? Value::integer(value.whole()) : value, spec),
                  value.source());
    }
    if (!value.is_text()) fail("expected no format behind ':' for {}, got one", type_name(value));
    return formatted_text(value.text(), parsed_spec(spec_text.bytes()));
  }

  Text formatted_text(const Text& text, const FormatSpec& spec) {
    const bool wrong_type = spec.type != '\0' && spec.type != 's';
    if (wrong_type || spec.sign != '-' || spec.alternate || spec.grouping != 0 || spec.align == '=') {
      fail("expected a format for a text, got one for numbers");
    }
    const auto most = spec.precision >= 0 ? static_cast<std::size_t>(spec.precision) : text.length();
    const Text shown = text.characters_between(0, std::min(most, text.length()));
    const std::int64_t missing =
        std::max<std::int64_t>(spec.width - static_cast<std::int64_t>(shown.length()), 0);
    const std::int64_t left = spec.align == '>' ? missing : spec.align == '^' ? missing / 2 : 0;
    const std::string fill = spec.fill.empty() ? " " : spec.fill;
    TextBuilder out = runtime_.builder();
    out.add(fill, static_cast<std::size_t>(left), text.source());
    out.add(shown);
    out.add(fill, static_cast<std::size_t>(missing - left), text.source());
    return out.take();
  }

  Runtime& runtime_;
  const Arguments& arguments_;
  int numbering_ = 0;  // 1: by itself, 2: by numbers
  std::size_t next_ = 0;
};

}  // namespace

Text brace_formatted(Runtime& runtime, const Text& format, const Arguments& arguments) {
  return BraceFormatter(runtime, arguments).run(format, 2, format.markup()).with_markup(format.markup());
}

}  // namespace refocus::jinja
