// Python's str() and repr().
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/utf8.h"
#include "template/characters.h"
#include "template/runtime.h"

namespace refocus::jinja {
namespace {

// "\n", "\x07", "\u200b": what repr writes for a character that it does not print.
std::string escaped(char32_t c) {
  if (c == '\n') return "\\n";
  if (c == '\r') return "\\r";
  if (c == '\t') return "\\t";
  const auto code = static_cast<std::uint32_t>(c);
  return code < 0x100     ? fmt::format("\\x{:02x}", code)
         : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                          : fmt::format("\\U{:08x}", code);
}

void add_repr_of_text(Runtime& runtime, const Text& text, TextBuilder& out) {
  runtime.charge(text);
  const std::string_view bytes = text.bytes();
  const bool single = bytes.find('\'') == std::string_view::npos || bytes.find('"') != std::string_view::npos;
  const char quote = single ? '\'' : '"';
  const std::string_view quotes(&quote, 1);
  if (text.markup()) out.add("Markup(", text.source());
  out.add(quotes, text.source());
  for (std::size_t at = 0; at < bytes.size();) {
    const Utf8Step step = utf8_step(bytes.substr(at));
    const std::size_t end = at + static_cast<std::size_t>(step.length);
    const char32_t c = step.code_point;
    if (c == '\\' || c == static_cast<char32_t>(quote)) out.add("\\", text.source_at(at));
    if (is_printable(c)) {
      out.add(text, at, end);
    } else {
      out.add(escaped(c), text.source_at(at));
    }
    at = end;
  }
  out.add(quotes, text.source());
  if (text.markup()) out.add(")", text.source());
}

void add_repr_of_items(Runtime& runtime, const Value& value, TextBuilder& out) {
  const ListData& list = value.sequence();
  const bool tuple = value.is(Kind::kTuple), view = value.is(Kind::kView);
  const Source source = value.source();
  if (view) out.add(fmt::format("{}(", list.view), source);
  out.add(tuple ? "(" : "[", source);
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out.add(", ", source);
    add_repr(runtime, list.items[i], out);
  }
  out.add(tuple ? list.items.size() == 1 ? ",)" : ")" : "]", source);
  if (view) out.add(")", source);
}

void add_repr_of_dict(Runtime& runtime, const DictData& dict, Source source, TextBuilder& out) {
  out.add("{", source);
  for (std::size_t i = 0; i < dict.members.size(); ++i) {
    if (i > 0) out.add(", ", source);
    add_repr(runtime, dict.members[i].first, out);
    out.add(": ", source);
    add_repr(runtime, dict.members[i].second, out);
  }
  out.add("}", source);
}

std::string range_text(const RangeData& range) {
  return range.step == 1 ? fmt::format("range({}, {})", range.start, range.stop)
                         : fmt::format("range({}, {}, {})", range.start, range.stop, range.step);
}

}  // namespace

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t mark = text.find('e');
  const int exponent = std::atoi(std::string(text.substr(mark + 1)).c_str());
  if (exponent < -4 || exponent >= 16) {
    return fmt::format("{}e{}{:02}", text.substr(0, mark), exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
  std::string out(buffer, fixed);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

void add_repr(Runtime& runtime, const Value& value, TextBuilder& out) {
  const Runtime::Level level(runtime);
  runtime.charge(1);
  const Source source = value.source();
  switch (value.kind()) {
    case Kind::kUndefined:
      return out.add("Undefined", {});
    case Kind::kNone:
      return out.add("None", source);
    case Kind::kBool:
      return out.add(value.truth_value() ? "True" : "False", source);
    case Kind::kInteger:
      return out.add(fmt::format("{}", value.whole()), source);
    case Kind::kFloat:
      return out.add(float_text(value.real()), source);
    case Kind::kText:
      return add_repr_of_text(runtime, value.text(), out);
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      return add_repr_of_items(runtime, value, out);
    case Kind::kDict:
      return add_repr_of_dict(runtime, value.dict(), source, out);
    case Kind::kRange:
      return out.add(range_text(value.range()), source);
    case Kind::kNamespace:
      out.add("<Namespace ", source);
      add_repr_of_dict(runtime, static_cast<const NamespaceData&>(*value.object()).attributes, source, out);
      return out.add(">", source);
    case Kind::kIterator:
      fail("expected something that can be printed, got what is walked over once; add |list");
    case Kind::kLoop:
    case Kind::kCallable:
      fail("expected something that can be printed, got {}; call it", type_name(value));
  }
}

Text str(Runtime& runtime, const Value& value) {
  if (value.is_text()) return value.text().with_markup(false);
  if (value.is_undefined()) {
    refuse_strict(value);
    return Text();
  }
  TextBuilder out = runtime.builder();
  add_repr(runtime, value, out);
  return out.take();
}

}  // namespace refocus::jinja
