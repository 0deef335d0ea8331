#include "eval/extract/extract_published.h"

#include <utf8proc.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"
#include "eval/text/code_points.h"
#include "eval/text/fuzzy_ratio.h"
#include "eval/text/pattern.h"

namespace refocus {

namespace {

struct Rule {
  const char* name;
  Pattern pattern;
};

// Rules 1 to 4 for options A to `last`. {L} is an option letter, {N} any other character.
struct Rules {
  explicit Rules(char last) {
    const auto add = [&](const char* name, const char* regex) {
      list.push_back({name, Pattern(with_letters(regex, last), Pattern::Text::kUtf8, false, true)});
    };
    add("answer", R"((?: [Cc]hoose
                       | (?:[Aa]nswer|[Cc]hoice) (?! {N}{0,20}? (?:n't|not))
                         {N}{0,10}? \b (?:|is|:|be) \b )
                     {N}{0,20}? \b ({L}) \b)");
    add("verdict", R"(\b ({L}) \b (?! {N}{0,8}? (?:n't|not) {N}{0,5}? (?:correct|right))
                      {N}{0,10}? \b (?:correct|right) \b)");
    add("opening", R"(\A ({L}) (?: [.,:] | $ ))");
    add("first_letter", R"((?<! [a-zA-Z]) ({L}) (?! [a-zA-Z=]))");
  }

  std::vector<Rule> list;
};

// A text whose characters know where in the response they came from, and their lower-case twin.
struct Traced {
  std::vector<CodePoint> chars;
  std::u32string lower;

  explicit Traced(std::string_view text) : chars(decode_utf8(text)) {
    for (const CodePoint& c : chars) lower += lower_case(c.code);
  }

  static char32_t lower_case(char32_t c) {
    return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
  }

  // Puts `letter` in place of every occurrence of `text`, which is lower-case. As in Python's re.sub an empty
  // text occurs before every character and at the end.
  void replace(std::u32string_view text, char letter) {
    if (!text.empty() && lower.find(text) == std::u32string::npos) return;
    std::vector<CodePoint> out;
    const auto put = [&](std::size_t begin, std::size_t end) {
      out.push_back({static_cast<char32_t>(letter), begin, end});
    };
    for (std::size_t at = 0; at < chars.size();) {
      if (text.empty()) {
        put(chars[at].begin, chars[at].begin);
        out.push_back(chars[at++]);
      } else if (lower.compare(at, text.size(), text) == 0) {
        put(chars[at].begin, chars[at + text.size() - 1].end);
        at += text.size();
      } else {
        out.push_back(chars[at++]);
      }
    }
    if (text.empty()) put(chars.empty() ? 0 : chars.back().end, chars.empty() ? 0 : chars.back().end);
    chars = std::move(out);
    lower.clear();
    for (const CodePoint& c : chars) lower += lower_case(c.code);
  }
};

// Option texts become letters, the longest first.
Traced rewrite(const std::vector<std::u32string>& choices, std::string_view response) {
  std::vector<std::size_t> order(choices.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](auto i, auto j) { return choices[i].size() > choices[j].size(); });
  Traced text(response);
  for (const std::size_t i : order) {
    std::u32string wanted = choices[i];
    while (wanted.ends_with(U'.')) wanted.pop_back();
    for (char32_t& c : wanted) c = Traced::lower_case(c);
    text.replace(wanted, static_cast<char>('A' + i));
  }
  return text;
}

}  // namespace

Extraction extract_published(std::span<const std::string> choices, std::string_view response) {
  REFOCUS_CHECK(!choices.empty() && choices.size() <= 26);
  std::vector<std::u32string> options;
  for (const std::string& choice : choices) options.push_back(code_points(choice));
  const Traced traced = rewrite(options, response);
  std::string text;
  std::vector<std::size_t> char_of_byte;
  for (std::size_t i = 0; i < traced.chars.size(); ++i) {
    append_utf8(traced.chars[i].code, text);
    char_of_byte.resize(text.size(), i);
  }
  for (const Rule& rule : for_letters<Rules>(choices.size()).list) {
    const std::optional<Match> match = rule.pattern.search(text);
    if (!match) continue;
    const std::size_t at = (*match)[1]->begin;
    const CodePoint& source = traced.chars[char_of_byte[at]];
    return {text[at], rule.name, static_cast<std::int64_t>(source.begin),
            static_cast<std::int64_t>(source.end)};
  }
  const std::u32string rewritten = code_points(text);
  std::size_t best = 0;
  double best_score = -1;
  for (std::size_t i = 0; i < options.size(); ++i) {
    const double score = weighted_ratio(rewritten, options[i]);
    if (score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return {static_cast<char>('A' + best), "most_similar", 0, static_cast<std::int64_t>(response.size())};
}

}  // namespace refocus
