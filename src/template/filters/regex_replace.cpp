// The filter regex_replace of lm-evaluation-harness: Python's re.sub.
#include "template/filters/filters.h"
#include "template/parse/string_literal.h"
#include "template/pattern.h"
#include "template/text_operations.h"

namespace refocus::jinja {
namespace {

// What a replacement is made of: text of its own, and groups of the match.
struct Part {
  Text text;
  int group = -1;
};

[[noreturn]] void refuse_group(std::string_view name) {
  fail("expected a group of the pattern in a replacement, got '{}'", printable(name, 20));
}

int numbered_group(std::string_view digits, const Pattern& pattern) {
  const auto number = parsed_whole(digits, 10);
  if (!number || *number >= pattern.groups()) refuse_group(digits);
  return static_cast<int>(*number);
}

// "\g<name>" from behind the backslash; steps over it.
int named_group(std::string_view rest, std::size_t& at, const Pattern& pattern) {
  const std::size_t end = rest.find('>');
  if (!rest.starts_with("g<") || end == std::string_view::npos) refuse_group(rest);
  const std::string name(rest.substr(2, end - 2));
  at += end + 1;
  if (!name.empty() && name.find_first_not_of("0123456789") == std::string::npos)
    return numbered_group(name, pattern);
  const int group = pattern.group(name);
  if (group < 0) refuse_group(name);
  return group;
}

// Python's re template: \1, \g<name>, and escapes of letters.
std::vector<Part> replacement_parts(const Text& replacement, const Pattern& pattern) {
  static constexpr std::string_view kLetters = "abfnrtv\\", kBytes = "\a\b\f\n\r\t\v\\";
  const std::string_view bytes = replacement.bytes();
  std::vector<Part> parts;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t slash = std::min(bytes.find('\\', at), bytes.size());
    if (slash > at) parts.push_back({replacement.bytes_between(at, slash), -1});
    at = slash + 1;
    if (at >= bytes.size()) {
      if (slash < bytes.size()) fail("expected something behind '\\' in a replacement, got its end");
      break;
    }
    const char c = bytes[at];
    if (c == 'g') {
      parts.push_back({Text(), named_group(bytes.substr(at), at, pattern)});
    } else if (c >= '1' && c <= '9') {
      const std::size_t size = at + 1 < bytes.size() && bytes[at + 1] >= '0' && bytes[at + 1] <= '9' ? 2 : 1;
      parts.push_back({Text(), numbered_group(bytes.substr(at, size), pattern)});
      at += size;
    } else if (const std::size_t letter = kLetters.find(c); letter != std::string_view::npos) {
      parts.push_back({Text(kBytes.substr(letter, 1), replacement.source_at(at)), -1});
      ++at;
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '0') {
      fail("expected no '\\{}' in a replacement, which is not read, got it", c);
    } else {
      parts.push_back({replacement.bytes_between(slash, at + 1), -1});
      ++at;
    }
  }
  return parts;
}

}  // namespace

Value regex_replace(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const auto given = bound("regex_replace", arguments, {"pattern", "repl", "count"}, 2);
  const Text text = text_argument("regex_replace", input);
  const Pattern pattern("regex_replace", text_argument("regex_replace", *given[0]).bytes());
  const std::vector<Part> parts = replacement_parts(text_argument("regex_replace", *given[1]), pattern);
  const std::int64_t count = given[2] ? whole_argument("regex_replace", *given[2]) : 0;
  if (count < 0) return text.with_markup(false);
  runtime.charge(text.size());
  TextBuilder out = runtime.builder();
  std::size_t at = 0;
  for (const Match& match : pattern.find_all(text.bytes(), static_cast<std::size_t>(count))) {
    runtime.charge(1 + parts.size());
    out.add(text, at, match.groups[0].first);
    for (const Part& part : parts) {
      if (part.group < 0) {
        out.add(part.text);
      } else if (const auto [begin, end] = match.groups[static_cast<std::size_t>(part.group)];
                 begin != Match::kNone) {
        out.add(text, begin, end);
      }
    }
    at = match.groups[0].second;
  }
  out.add(text, at, text.size());
  return out.take();
}

}  // namespace refocus::jinja
