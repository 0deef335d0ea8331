// Filters that lay text out: indent, truncate, center, wordwrap, wordcount, filesizeformat.
#include <cmath>

#include "base/utf8.h"
#include "template/characters.h"
#include "template/filters/filters.h"
#include "template/filters/word_wrap.h"
#include "template/number_format.h"
#include "template/operators.h"
#include "template/text_operations.h"

namespace refocus::jinja {
namespace {

Text some_text(std::string_view filter, const Value& input) {
  refuse_undefined(input);
  if (!input.is_text()) fail("expected a str before '{}', got {}", filter, type_name(input));
  return input.text();
}

Value indent(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("indent", arguments, {"width", "first", "blank"}, 0);
  const Text text = some_text("indent", input);
  const Source source = text.source();
  Text indention;
  if (given[0] && given[0]->is_text()) {
    indention = given[0]->text();
  } else {
    TextBuilder blanks = runtime.builder();
    blanks.add(" ",
               static_cast<std::size_t>(
                   std::max<std::int64_t>(given[0] ? whole_argument("indent", *given[0]) : 4, 0)),
               source);
    indention = blanks.take();
  }
  if (text.markup()) indention = escaped_html(runtime, indention.with_markup(true));
  const bool first = given[1] && truth(*given[1]), blank = given[2] && truth(*given[2]);
  // One newline more keeps a last one of the text.
  const std::vector<Text> lines =
      split_lines(runtime, added(runtime, text, Text("\n", source).with_markup(text.markup())), false);
  TextBuilder out = runtime.builder();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.add("\n", source);
    if (i == 0 ? first : blank || !lines[i].empty()) out.add(indention);
    out.add(lines[i]);
  }
  return out.take(text.markup());
}

Value truncate(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("truncate", arguments, {"length", "killwords", "end", "leeway"}, 0);
  const std::int64_t most = given[0] ? whole_argument("truncate", *given[0]) : 255;
  const Text end = given[2] ? text_argument("truncate", *given[2]) : Text("...");
  const std::int64_t leeway = given[3] && !given[3]->is_none() ? whole_argument("truncate", *given[3]) : 5;
  const auto kept = most - static_cast<std::int64_t>(end.length());
  if (kept < 0 || leeway < 0) fail("expected a length of at least its ending's in 'truncate', got less");
  const auto size = length(input);
  if (!size) fail("expected a str before 'truncate', got {}", type_name(input));
  if (*size <= most + leeway) return input;
  const Text text = some_text("truncate", input);
  // What says that something is missing is part of what is left: its origin is the text's where it is the
  // filter's own.
  const Text mark = given[2] ? end : Text("...", text.source());
  Text result = text.characters_between(0, static_cast<std::size_t>(kept));
  if (!(given[1] && truth(*given[1]))) {
    const std::size_t blank = result.bytes().rfind(' ');
    if (blank != std::string_view::npos) result = result.bytes_between(0, blank);
  }
  return added(runtime, result, mark);
}

Value center(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("center", arguments, {"width"}, 0);
  const Text text = input.is_text() ? input.text() : str(runtime, input);
  return padded(runtime, text, given[0] ? whole_argument("center", *given[0]) : 80, Side::kCenter);
}

Value wordwrap(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given =
      bound("wordwrap", arguments, {"width", "break_long_words", "wrapstring", "break_on_hyphens"}, 0);
  const Text text = some_text("wordwrap", input);
  WrapSettings settings;
  if (given[0]) settings.width = whole_argument("wordwrap", *given[0]);
  if (given[1]) settings.break_long_words = truth(*given[1]);
  if (given[3]) settings.break_on_hyphens = truth(*given[3]);
  const Text between =
      given[2] && !given[2]->is_none() ? text_argument("wordwrap", *given[2]) : Text("\n", text.source());
  std::vector<Text> paragraphs;
  for (const Text& line : split_lines(runtime, text.with_markup(false), false)) {
    paragraphs.push_back(joined_texts(runtime, between, wrapped(runtime, line, settings)));
  }
  return joined_texts(runtime, between, paragraphs);
}

Value wordcount(Runtime& runtime, const Value& input, const Arguments& arguments) {
  bound("wordcount", arguments, {}, 0);
  const Text text = str(runtime, input);
  runtime.charge(text);
  std::int64_t count = 0;
  bool within = false;
  for (std::string_view rest = text.bytes(); !rest.empty();) {
    const Utf8Step step = utf8_step(rest);
    const bool word = is_alphanumeric(step.code_point) || step.code_point == '_';
    count += word && !within ? 1 : 0;
    within = word;
    rest.remove_prefix(static_cast<std::size_t>(step.length));
  }
  return Value::integer(count, text.source());
}

Value filesizeformat(Runtime&, const Value& input, const Arguments& arguments) {
  const auto given = bound("filesizeformat", arguments, {"binary"}, 0);
  refuse_undefined(input);
  const auto parsed = input.is_text() ? parsed_real(input.text().bytes()) : std::optional(input.real());
  if (!parsed || !(input.is_text() || input.is_number()))
    fail("expected a number before 'filesizeformat', got {}", type_name(input));
  const bool binary = given[0] && truth(*given[0]);
  const double bytes = *parsed, base = binary ? 1024 : 1000;
  if (bytes == 1) return Text("1 Byte", input.source());
  if (bytes < base) return Text(fmt::format("{} Bytes", static_cast<std::int64_t>(bytes)), input.source());
  if (!std::isfinite(bytes)) fail("expected a finite number before 'filesizeformat', got another");
  double unit = base * base;
  std::size_t prefix = 0;
  for (; prefix < 7 && bytes >= unit; ++prefix) unit *= base;
  const std::string text =
      fmt::format("{} {}{}", c_format(base * bytes / unit, 'f', 1, false),
                  std::string_view(binary ? "KMGTPEZY" : "kMGTPEZY")[static_cast<std::size_t>(prefix)],
                  binary ? "iB" : "B");
  return Text(text, input.source());
}

constexpr NamedFilter kLayoutFilters[] = {{"center", center},       {"filesizeformat", filesizeformat},
                                          {"indent", indent},       {"truncate", truncate},
                                          {"wordcount", wordcount}, {"wordwrap", wordwrap}};

}  // namespace

std::span<const NamedFilter> layout_filters() { return kLayoutFilters; }

}  // namespace refocus::jinja
