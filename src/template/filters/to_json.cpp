// The filter tojson: Python's json.dumps.
#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "template/filters/filters.h"
#include "template/operators.h"

namespace refocus::jinja {
namespace {

struct JsonSettings {
  bool ensure_ascii = false, sort_keys = false;
  bool html_safe = false;      // <, >, & and ' as \u003c ..., as jinja2's own filter writes them
  std::optional<Text> indent;  // of each level; nothing: all on one line
  Text item_separator = Text(", "), key_separator = Text(": ");
};

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const JsonSettings& settings)
      : runtime_(runtime), settings_(settings), out_(runtime.builder()) {}

  Text written(const Value& value) {
    write(value, 0);
    return out_.take(settings_.html_safe);
  }

 private:
  void write(const Value& value, int level) {
    const Runtime::Level counted(runtime_);
    runtime_.charge(1);
    const Source source = value.source();
    switch (value.kind()) {
      case Kind::kNone:
        return out_.add("null", source);
      case Kind::kBool:
        return out_.add(value.truth_value() ? "true" : "false", source);
      case Kind::kInteger:
        return out_.add(fmt::format("{}", value.whole()), source);
      case Kind::kFloat:
        return out_.add(real(value.real()), source);
      case Kind::kText:
        return string(value.text());
      case Kind::kList:
      case Kind::kTuple:
        return list(value, level);
      case Kind::kDict:
        return dict(value, level);
      default:
        fail("expected what JSON can hold before 'tojson', got {}", type_name(value));
    }
  }

  static std::string real(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return float_text(value);
  }

  // A separator is the template's where it is written there, and otherwise from where the list or dict is.
  void separator(const Text& text, Source source) {
    if (text.source().origin != kTemplateOrigin) return out_.add(text);
    out_.add(text.bytes(), source);
  }

  void line(int level, Source source) {
    if (!settings_.indent) return;
    out_.add("\n", source);
    for (int i = 0; i < level; ++i) separator(*settings_.indent, source);
  }

  void list(const Value& value, int level) {
    const Source source = value.source();
    const auto& items = value.sequence().items;
    if (items.empty()) return out_.add("[]", source);
    out_.add("[", source);
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) separator(settings_.item_separator, source);
      line(level + 1, source);
      write(items[i], level + 1);
    }
    line(level, source);
    out_.add("]", source);
  }

  void dict(const Value& value, int level) {
    const Source source = value.source();
    auto members = value.dict().members;
    if (members.empty()) return out_.add("{}", source);
    if (settings_.sort_keys) {
      std::stable_sort(members.begin(), members.end(),
                       [&](const auto& a, const auto& b) { return less(runtime_, a.first, b.first); });
    }
    out_.add("{", source);
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0) separator(settings_.item_separator, source);
      line(level + 1, source);
      key(members[i].first);
      separator(settings_.key_separator, source);
      write(members[i].second, level + 1);
    }
    line(level, source);
    out_.add("}", source);
  }

  void key(const Value& value) {
    if (value.is_text()) return string(value.text());
    if (!value.is_number() && !value.is_none())
      fail("expected keys of JSON before 'tojson', got {}", type_name(value));
    out_.add("\"", value.source());
    write(value, 0);
    out_.add("\"", value.source());
  }

  static std::string escape(char32_t c) {
    switch (c) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\f':
        return "\\f";
      case '\b':
        return "\\b";
      default:
        break;
    }
    const auto code = static_cast<std::uint32_t>(c);
    if (code < 0x10000) return fmt::format("\\u{:04x}", code);
    return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10),
                       0xDC00 + ((code - 0x10000) & 0x3FF));
  }

  void string(const Text& text) {
    runtime_.charge(text);
    out_.add("\"", text.source());
    std::size_t plain = 0;
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Step step = utf8_step(text.bytes().substr(at));
      const std::size_t end = at + static_cast<std::size_t>(step.length);
      const char32_t c = step.code_point;
      const bool html = settings_.html_safe && (c == '<' || c == '>' || c == '&' || c == '\'');
      if (c < 0x20 || c == '"' || c == '\\' || html || (settings_.ensure_ascii && c > 0x7E && c != 0x7F)) {
        out_.add(text, plain, at);
        out_.add(escape(c), text.source_at(at));
        plain = end;
      }
      at = end;
    }
    out_.add(text, plain, text.size());
    out_.add("\"", text.source());
  }

  Runtime& runtime_;
  const JsonSettings& settings_;
  TextBuilder out_;
};

std::optional<Text> indent_of(Runtime& runtime, const Value& value) {
  if (value.is_none()) return std::nullopt;
  if (value.is_text()) return value.text();
  TextBuilder out = runtime.builder();
  out.add(" ", static_cast<std::size_t>(std::max<std::int64_t>(whole_argument("tojson", value), 0)), {});
  return out.take();
}

}  // namespace

Value to_json(Runtime& runtime, const Value& input, const Arguments& arguments) {
  JsonSettings settings;
  Value indent;
  if (runtime.settings.chat) {
    const auto given = bound("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}, 0);
    settings.ensure_ascii = given[0] && truth(*given[0]);
    settings.sort_keys = given[3] && truth(*given[3]);
    indent = given[1].value_or(Value());
    settings.indent = indent_of(runtime, indent);
    if (settings.indent) settings.item_separator = Text(",");
    if (given[2] && !given[2]->is_none()) {
      const std::vector<Value> separators = listed(runtime, *given[2]);
      if (separators.size() != 2) fail("expected two separators in 'tojson', got {}", separators.size());
      settings.item_separator = text_argument("tojson", separators[0]);
      settings.key_separator = text_argument("tojson", separators[1]);
    }
  } else {
    const auto given = bound("tojson", arguments, {"indent"}, 0);
    settings.ensure_ascii = settings.sort_keys = settings.html_safe = true;
    settings.indent = indent_of(runtime, given[0].value_or(Value()));
    if (settings.indent) settings.item_separator = Text(",");
  }
  return JsonWriter(runtime, settings).written(input);
}

}  // namespace refocus::jinja
