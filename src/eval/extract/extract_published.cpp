#include "eval/extract/extract_published.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/error.h"
#include "eval/text/code_points.h"
#include "eval/text/fuzzy_match.h"
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
      list.push_back({name, Pattern(with_letters(regex, last), Pattern::Text::kBytes, false, true)});
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

// How much of `text` both begins and ends its first i + 1 characters, for each i: Knuth, Morris and Pratt,
// "Fast pattern matching in strings" (1977).
std::vector<std::size_t> borders(std::u32string_view text) {
  std::vector<std::size_t> out(text.size(), 0);
  for (std::size_t i = 1, matched = 0; i < text.size(); ++i) {
    while (matched > 0 && text[i] != text[matched]) matched = out[matched - 1];
    matched += text[i] == text[matched];
    out[i] = matched;
  }
  return out;
}

// A text whose characters know where in the response they came from, and what they match ignoring case.
struct Traced {
  std::vector<CodePoint> chars;
  std::u32string folded;

  explicit Traced(std::string_view text) : chars(decode_utf8(text)) { fold(); }

  void fold() {
    folded.clear();
    for (const CodePoint& c : chars) folded += fold_case(c.code);
  }

  // Puts `letter` in place of every occurrence of `text`, which is folded. As in Python's re.sub an empty
  // text occurs before every character and at the end. Time: the length of both.
  void replace(std::u32string_view text, char letter) {
    if (text.empty()) return insert_everywhere(letter);
    const std::vector<std::size_t> border = borders(text);
    std::size_t size = 0;  // what is kept so far; it overtakes nothing that is still to be read
    for (std::size_t at = 0, matched = 0; at < chars.size(); ++at) {
      while (matched > 0 && folded[at] != text[matched]) matched = border[matched - 1];
      matched += folded[at] == text[matched];
      chars[size] = chars[at];
      folded[size++] = folded[at];
      if (matched < text.size()) continue;
      size -= text.size();
      chars[size] = {static_cast<char32_t>(letter), chars[size].begin, chars[at].end};
      folded[size++] = fold_case(static_cast<char32_t>(letter));
      matched = 0;
    }
    chars.resize(size);
    folded.resize(size);
  }

  void insert_everywhere(char letter) {
    std::vector<CodePoint> out;
    out.reserve(2 * chars.size() + 1);
    const auto put = [&](std::size_t at) { out.push_back({static_cast<char32_t>(letter), at, at}); };
    for (const CodePoint& c : chars) {
      put(c.begin);
      out.push_back(c);
    }
    put(chars.empty() ? 0 : chars.back().end);
    chars = std::move(out);
    fold();
  }

  // The rules ask of a character beyond ASCII only whether it belongs to a word, by Python's definition: a
  // byte for each says so.
  std::string outline() const {
    std::string out;
    out.reserve(chars.size());
    for (const CodePoint& c : chars) {
      out += c.code < 0x80 ? static_cast<char>(c.code) : is_alphanumeric(c.code) ? '_' : '\x01';
    }
    return out;
  }

  std::u32string codes() const {
    std::u32string out;
    out.reserve(chars.size());
    for (const CodePoint& c : chars) out += c.code;
    return out;
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
    for (char32_t& c : wanted) c = fold_case(c);
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
  const std::string outline = traced.outline();
  for (const Rule& rule : for_letters<Rules>(choices.size()).list) {
    const std::optional<Match> match = rule.pattern.search(outline);
    if (!match) continue;
    const std::size_t at = (*match)[1]->begin;
    const CodePoint& source = traced.chars[at];
    return {outline[at], rule.name, static_cast<std::int64_t>(source.begin),
            static_cast<std::int64_t>(source.end)};
  }
  const std::size_t best = most_similar(traced.codes(), options);
  return {static_cast<char>('A' + best), "most_similar", 0, static_cast<std::int64_t>(response.size())};
}

}  // namespace refocus
