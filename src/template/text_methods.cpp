// Methods of str.
#include <algorithm>

#include "base/utf8.h"
#include "template/characters.h"
#include "template/operators.h"
#include "template/text_operations.h"

namespace refocus::jinja {
namespace {

using TextMethod = Value (*)(Runtime&, const Text& self, const Arguments& arguments);

template <Case to>
Value in_other_case(Runtime& runtime, const Text& self, const Arguments& arguments) {
  bound("str method", arguments, {}, 0);
  runtime.charge(self);
  return in_case(self, to, runtime.limits.text);
}

template <bool left, bool right>
Value strip(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound("strip", arguments, {""}, 0);
  return stripped_text(runtime, self, given[0], left, right);
}

Value as_list(const std::vector<Text>& parts, const Text& self) {
  return Value::list({parts.begin(), parts.end()}, self.source());
}

template <bool from_right>
Value split_method(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound("split", arguments, {"sep", "maxsplit"}, 0);
  std::optional<Text> separator;
  if (given[0] && !given[0]->is_none()) separator = text_argument("split", *given[0]);
  const std::int64_t limit = given[1] ? whole_argument("split", *given[1]) : -1;
  return as_list(
      from_right ? split_from_right(runtime, self, separator, limit) : split(runtime, self, separator, limit),
      self);
}

Value splitlines(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound("splitlines", arguments, {"keepends"}, 0);
  return as_list(split_lines(runtime, self, given[0] && truth(*given[0])), self);
}

template <bool from_right>
Value partition(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound("partition", arguments, {""}, 1);
  const Text separator = text_argument("partition", *given[0]);
  if (separator.empty()) fail("expected a separator that is not empty, got an empty one");
  runtime.charge(self);
  const std::size_t at =
      from_right ? self.bytes().rfind(separator.bytes()) : self.bytes().find(separator.bytes());
  const Text none = Text().with_markup(self.markup());
  if (at == std::string_view::npos) {
    return from_right ? Value::tuple({none, none, self}, self.source())
                      : Value::tuple({self, none, none}, self.source());
  }
  const std::size_t end = at + separator.size();
  return Value::tuple(
      {self.bytes_between(0, at), separator.with_markup(self.markup()), self.bytes_between(end, self.size())},
      self.source());
}

// The part of the text that start and end leave, as bytes; nothing where start is past the end.
std::optional<std::pair<std::size_t, std::size_t>> part(const Text& self, const std::optional<Value>& start,
                                                        const std::optional<Value>& end) {
  const auto length = static_cast<std::int64_t>(self.length());
  const auto place = [&](const std::optional<Value>& value, std::int64_t otherwise) {
    if (!value || value->is_none()) return otherwise;
    const std::int64_t at = whole_argument("str method", *value);
    return std::max<std::int64_t>(at < 0 ? at + length : at, 0);
  };
  const std::int64_t from = place(start, 0), to = std::min(place(end, length), length);
  if (from > to) return std::nullopt;
  return std::pair(self.byte_of(static_cast<std::size_t>(from)), self.byte_of(static_cast<std::size_t>(to)));
}

template <bool from_right, bool must>
Value find(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound("find", arguments, {"", "", ""}, 1);
  const Text what = text_argument("find", *given[0]);
  runtime.charge(self);
  std::size_t at = std::string_view::npos;
  if (const auto within = part(self, given[1], given[2])) {
    const std::string_view bytes = self.bytes().substr(within->first, within->second - within->first);
    at = from_right ? bytes.rfind(what.bytes()) : bytes.find(what.bytes());
    if (at != std::string_view::npos) at += within->first;
  }
  if (at == std::string_view::npos) {
    if (must) fail("expected a part of the text in 'index', got another text");
    return Value::integer(-1, self.source());
  }
  return Value::integer(static_cast<std::int64_t>(self.character_of(at)), self.source());
}

Value count(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound("count", arguments, {"", "", ""}, 1);
  const Text what = text_argument("count", *given[0]);
  runtime.charge(self);
  const auto within = part(self, given[1], given[2]);
  if (!within) return Value::integer(0, self.source());
  const std::string_view bytes = self.bytes().substr(within->first, within->second - within->first);
  if (what.empty()) return Value::integer(static_cast<std::int64_t>(Text(bytes).length()) + 1, self.source());
  std::int64_t found = 0;
  for (std::size_t at = bytes.find(what.bytes()); at != std::string_view::npos; ++found) {
    at = bytes.find(what.bytes(), at + what.size());
  }
  return Value::integer(found, self.source());
}

template <bool at_end>
Value has_at_end(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound(at_end ? "endswith" : "startswith", arguments, {"", "", ""}, 1);
  const auto within = part(self, given[1], given[2]);
  runtime.charge(self);
  const auto has = [&](const Value& value) {
    const Text what = text_argument(at_end ? "endswith" : "startswith", value);
    if (!within) return false;
    const std::string_view bytes = self.bytes().substr(within->first, within->second - within->first);
    return at_end ? bytes.ends_with(what.bytes()) : bytes.starts_with(what.bytes());
  };
  if (!given[0]->is(Kind::kTuple)) return Value::boolean(has(*given[0]));
  return Value::boolean(std::ranges::any_of(given[0]->sequence().items, has));
}

Value replace(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound("replace", arguments, {"", "", ""}, 2);
  const std::int64_t times = given[2] ? whole_argument("replace", *given[2]) : -1;
  return replaced(runtime, self, text_argument("replace", *given[0]).bytes(),
                  text_argument("replace", *given[1]), times);
}

template <bool at_end>
Value without(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound(at_end ? "removesuffix" : "removeprefix", arguments, {""}, 1);
  const Text what = text_argument("removeprefix", *given[0]);
  runtime.charge(self);
  if (at_end) {
    return self.bytes().ends_with(what.bytes()) && !what.empty()
               ? self.bytes_between(0, self.size() - what.size())
               : self;
  }
  return self.bytes().starts_with(what.bytes()) ? self.bytes_between(what.size(), self.size()) : self;
}

Value join(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound("join", arguments, {""}, 1);
  std::vector<Text> parts;
  for (const Value& item : listed(runtime, *given[0])) parts.push_back(text_argument("join", item));
  return joined_texts(runtime, self, parts);
}

template <Side side>
Value pad(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound("str method", arguments, {"", ""}, 1);
  std::optional<Text> fill;
  if (given[1]) fill = text_argument("str method", *given[1]);
  if (fill && fill->length() != 1) fail("expected one character to fill with, got {}", fill->length());
  return padded(runtime, self, whole_argument("str method", *given[0]), side, fill);
}

Value zfill(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound("zfill", arguments, {""}, 1);
  const std::int64_t missing = whole_argument("zfill", *given[0]) - static_cast<std::int64_t>(self.length());
  if (missing <= 0) return self;
  const bool sign = self.bytes().starts_with('+') || self.bytes().starts_with('-');
  TextBuilder out = runtime.builder();
  out.add(self, 0, sign ? 1 : 0);
  out.add("0", static_cast<std::size_t>(missing), self.source());
  out.add(self, sign ? 1 : 0, self.size());
  return out.take(self.markup());
}

Value expandtabs(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound("expandtabs", arguments, {"tabsize"}, 0);
  const std::int64_t size = given[0] ? whole_argument("expandtabs", *given[0]) : 8;
  runtime.charge(self);
  TextBuilder out = runtime.builder();
  std::int64_t column = 0;
  for (std::size_t at = 0; at < self.size();) {
    const Utf8Step step = utf8_step(self.bytes().substr(at));
    const std::size_t end = at + static_cast<std::size_t>(step.length);
    if (step.code_point == '\t') {
      const std::int64_t blanks = size > 0 ? size - column % size : 0;
      out.add(" ", static_cast<std::size_t>(blanks), self.source_at(at));
      column += blanks;
    } else {
      column = step.code_point == '\n' || step.code_point == '\r' ? 0 : column + 1;
      out.add(self, at, end);
    }
    at = end;
  }
  return out.take(self.markup());
}

Value format(Runtime& runtime, const Text& self, const Arguments& arguments) {
  return brace_formatted(runtime, self, arguments);
}

Value format_map(Runtime& runtime, const Text& self, const Arguments& arguments) {
  const auto given = bound("format_map", arguments, {""}, 1);
  if (!given[0]->is_dict()) fail("expected a dict in 'format_map', got {}", type_name(*given[0]));
  Arguments named;
  for (const auto& [key, value] : given[0]->dict().members) {
    if (key.is_text()) named.named.emplace_back(key.text().bytes(), value);
  }
  return brace_formatted(runtime, self, named);
}

// Whether there are characters, and all are of the kind.
template <bool (*of_kind)(char32_t), bool of_empty = false>
Value all_are(Runtime& runtime, const Text& self, const Arguments& arguments) {
  bound("str method", arguments, {}, 0);
  runtime.charge(self);
  bool holds = of_empty || !self.empty();
  for (std::string_view rest = self.bytes(); holds && !rest.empty();) {
    const Utf8Step step = utf8_step(rest);
    holds = of_kind(step.code_point);
    rest.remove_prefix(static_cast<std::size_t>(step.length));
  }
  return Value::boolean(holds);
}
bool is_ascii(char32_t c) { return c < 0x80; }

template <bool (*holds)(std::string_view)>
Value whole_text_is(Runtime& runtime, const Text& self, const Arguments& arguments) {
  bound("str method", arguments, {}, 0);
  runtime.charge(self);
  return Value::boolean(holds(self.bytes()));
}

struct NamedTextMethod {
  std::string_view name;
  TextMethod method;
};
constexpr NamedTextMethod kTextMethods[] = {
    {"capitalize", in_other_case<Case::kCapitalize>},
    {"casefold", in_other_case<Case::kFold>},
    {"center", pad<Side::kCenter>},
    {"count", count},
    {"endswith", has_at_end<true>},
    {"expandtabs", expandtabs},
    {"find", find<false, false>},
    {"format", format},
    {"format_map", format_map},
    {"index", find<false, true>},
    {"isalnum", all_are<is_alphanumeric>},
    {"isalpha", all_are<is_letter>},
    {"isascii", all_are<is_ascii, true>},
    {"isdecimal", all_are<is_decimal>},
    {"isdigit", all_are<is_digit>},
    {"islower", whole_text_is<is_lower_text>},
    {"isnumeric", all_are<is_numeric>},
    {"isprintable", all_are<is_printable, true>},
    {"isspace", all_are<is_space>},
    {"istitle", whole_text_is<is_title_text>},
    {"isupper", whole_text_is<is_upper_text>},
    {"join", join},
    {"ljust", pad<Side::kLeft>},
    {"lower", in_other_case<Case::kLower>},
    {"lstrip", strip<true, false>},
    {"partition", partition<false>},
    {"removeprefix", without<false>},
    {"removesuffix", without<true>},
    {"replace", replace},
    {"rfind", find<true, false>},
    {"rindex", find<true, true>},
    {"rjust", pad<Side::kRight>},
    {"rpartition", partition<true>},
    {"rsplit", split_method<true>},
    {"rstrip", strip<false, true>},
    {"split", split_method<false>},
    {"splitlines", splitlines},
    {"startswith", has_at_end<false>},
    {"strip", strip<true, true>},
    {"swapcase", in_other_case<Case::kSwap>},
    {"title", in_other_case<Case::kTitle>},
    {"upper", in_other_case<Case::kUpper>},
    {"zfill", zfill},
};

}  // namespace

std::optional<Value> text_method(const Text& self, std::string_view name) {
  static constexpr std::string_view kNotRead[] = {"encode", "isidentifier", "maketrans", "translate"};
  if (std::ranges::find(kNotRead, name) != std::end(kNotRead)) {
    fail("expected no method '{}' of texts, which is not read, got it", name);
  }
  static constexpr std::string_view kOfMarkup[] = {"escape", "striptags", "unescape"};
  if (self.markup() && std::ranges::find(kOfMarkup, name) != std::end(kOfMarkup)) {
    fail("expected no method '{}' of safe texts, which is not read, got it", name);
  }
  const auto* found = std::ranges::find(kTextMethods, name, &NamedTextMethod::name);
  if (found == std::end(kTextMethods)) return std::nullopt;
  return callable(
      std::string(name),
      [self, method = found->method](Runtime& runtime, const Arguments& arguments) {
        return method(runtime, self, arguments);
      },
      2);
}

}  // namespace refocus::jinja
