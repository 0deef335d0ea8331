// Filters that make text of text.
#include <algorithm>
#include <cctype>

#include "base/utf8.h"
#include "template/characters.h"
#include "template/filters/filters.h"
#include "template/operators.h"
#include "template/percent_format.h"
#include "template/text_operations.h"

namespace refocus::jinja {
namespace {

// markupsafe's soft_str: text stays as it is, marked or not.
Text soft_text(Runtime& runtime, const Value& value) {
  return value.is_text() ? value.text() : str(runtime, value);
}

template <Case to>
Value change_case(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("filter", arguments, {}, 0);
  const Text text = soft_text(runtime, input);
  runtime.charge(text);
  return in_case(text, to, runtime.limits.text);
}

// Words begin behind blanks, hyphens and opening brackets, unlike str.title's.
Value title_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("title", arguments, {}, 0);
  const Text text = soft_text(runtime, input);
  runtime.charge(text);
  const auto begins_word = [](char32_t c) {
    return is_space(c) || std::u32string_view(U"-({[<").find(c) != std::u32string_view::npos;
  };
  TextBuilder out = runtime.builder();
  std::size_t at = 0;
  while (at < text.size()) {
    // A run of separators, or of other characters: the first one is raised, the others are lowered.
    const bool separators = begins_word(utf8_step(text.bytes().substr(at)).code_point);
    const std::size_t second = at + static_cast<std::size_t>(utf8_step(text.bytes().substr(at)).length);
    std::size_t end = second;
    while (end < text.size()) {
      const Utf8Step step = utf8_step(text.bytes().substr(end));
      if (begins_word(step.code_point) != separators) break;
      end += static_cast<std::size_t>(step.length);
    }
    out.add(in_case(text.bytes_between(at, second), Case::kUpper, runtime.limits.text));
    out.add(in_case(text.bytes_between(second, end), Case::kLower, runtime.limits.text));
    at = end;
  }
  return out.take();
}

Value trim(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("trim", arguments, {"chars"}, 0);
  return stripped_text(runtime, soft_text(runtime, input), given[0], true, true);
}

Value replace_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("replace", arguments, {"old", "new", "count"}, 2);
  const std::int64_t times = given[2] && !given[2]->is_none() ? whole_argument("replace", *given[2]) : -1;
  return replaced(runtime, str(runtime, input), str(runtime, *given[0]).bytes(), str(runtime, *given[1]),
                  times);
}

Value string(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("string", arguments, {}, 0);
  return soft_text(runtime, input);
}

Value escape(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("escape", arguments, {}, 0);
  return escaped_html(runtime, soft_text(runtime, input));
}

Value forceescape(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("forceescape", arguments, {}, 0);
  return escaped_html(runtime, str(runtime, input));
}

Value safe(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("safe", arguments, {}, 0);
  return soft_text(runtime, input).with_markup(true);
}

Value striptags(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("striptags", arguments, {}, 0);
  Text text = str(runtime, input);
  runtime.charge(text);
  if (text.bytes().find('&') != std::string_view::npos) {
    fail("expected no '&' in 'striptags', whose names of characters are not read, got one");
  }
  // Comments first, and tags then (markupsafe); white space becomes single blanks.
  const auto without = [&](std::string_view begin, std::string_view end) {
    TextBuilder out = runtime.builder();
    std::size_t at = 0;
    for (;;) {
      const std::size_t from = text.bytes().find(begin, at);
      const std::size_t to = from == std::string_view::npos ? from : text.bytes().find(end, from);
      if (to == std::string_view::npos) break;
      out.add(text, at, from);
      at = to + end.size();
    }
    out.add(text, at, text.size());
    text = out.take();
  };
  without("<!--", "-->");
  without("<", ">");
  return joined_texts(runtime, Text(" ", text.source()), split(runtime, text, std::nullopt, -1));
}

Value format_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    fail("expected arguments of 'format' by place or by name, got both");
  }
  Value given = Value::tuple(arguments.positional);
  if (!arguments.named.empty()) {
    auto dict = std::make_shared<DictData>();
    for (const auto& [name, value] : arguments.named) dict->set(Text(name), value);
    given = make_dict(std::move(dict));
  }
  return percent_formatted(runtime, soft_text(runtime, input), given);
}

Value join_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("join", arguments, {"d", "attribute"}, 0);
  const bool by_attribute = given[1] && !given[1]->is_none();
  std::vector<Text> parts;
  const auto next = iterate(runtime, input);
  while (const auto item = next()) {
    parts.push_back(str(runtime, by_attribute ? item_at_path(runtime, *item, *given[1]) : *item));
    runtime.check_items(parts.size());
  }
  return joined_texts(runtime, given[0] ? str(runtime, *given[0]) : Text(), parts);
}

// urllib.parse.quote; in a query blanks are '+', and slashes are quoted too.
void add_quoted(const Text& text, bool in_query, TextBuilder& out) {
  static constexpr std::string_view kPlain = "_.-~";
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text.bytes()[at]);
    const bool plain = (byte < 0x80 && std::isalnum(byte) != 0) ||
                       kPlain.find(static_cast<char>(byte)) != std::string_view::npos;
    if (plain || (!in_query && byte == '/')) {
      out.add(text, at, at + 1);
    } else {
      out.add(in_query && byte == ' ' ? "+" : fmt::format("%{:02X}", byte), text.source_at(at));
    }
  }
}

Value urlencode(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("urlencode", arguments, {}, 0);
  TextBuilder out = runtime.builder();
  if (input.is_text() || !is_iterable(input)) {
    add_quoted(str(runtime, input), false, out);
    return out.take();
  }
  std::vector<Value> pairs;
  if (input.is_dict()) {
    for (const auto& [key, value] : input.dict().members) pairs.push_back(Value::tuple({key, value}));
  } else {
    pairs = listed(runtime, input);
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const std::vector<Value> pair = listed(runtime, pairs[i]);
    if (pair.size() != 2)
      fail("expected pairs of keys and values in 'urlencode', got {} values", pair.size());
    if (i > 0) out.add("&", input.source());
    add_quoted(str(runtime, pair[0]), true, out);
    out.add("=", input.source());
    add_quoted(str(runtime, pair[1]), true, out);
  }
  return out.take();
}

constexpr NamedFilter kTextFilters[] = {
    {"capitalize", change_case<Case::kCapitalize>},
    {"e", escape},
    {"escape", escape},
    {"forceescape", forceescape},
    {"format", format_filter},
    {"join", join_filter},
    {"lower", change_case<Case::kLower>},
    {"replace", replace_filter},
    {"safe", safe},
    {"string", string},
    {"striptags", striptags},
    {"title", title_filter},
    {"tojson", to_json},
    {"trim", trim},
    {"upper", change_case<Case::kUpper>},
    {"urlencode", urlencode},
};

}  // namespace

std::span<const NamedFilter> text_filters() { return kTextFilters; }

}  // namespace refocus::jinja
