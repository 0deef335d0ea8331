#include "eval/extract/several_options.h"

#include <bit>

namespace refocus {

namespace {

constexpr int kLongestList = 30;

struct Joins {
  explicit Joins(char last)
      : letter(make(
            R"((?: option | choice | answer )?s? \s* [*_"'`(\[{$]* (?-i: (?!A\s+[a-z]) (?!I(?:\s+[a-z]|')) ({L}))
                       (?! [A-Za-z0-9] | _+[A-Za-z0-9{] | '[a-z] | -[A-Za-z0-9] ))",
            last)),
        line(make(
            R"([*_"'`)\]}$.]* (?: [ \t]*\n[ \t]*(?:[-*]\s|\d[.)]\s)?[ \t]* | [ \t]+ ) [*_"'`(\[{$]* (?-i:({L})) [*_"'`)\]}$.]* [ \t]* (?=\n|\z))",
            last)) {}

  static Pattern make(const char* regex, char last) {
    return Pattern(with_letters(regex, last), Pattern::Text::kBytes, true, true);
  }

  Pattern letter;  // after the joining words
  Pattern line;    // letters that only blanks or a line feed separate
};

// A sign or words that join two options.
#define REFOCUS_JOIN                                                                                          \
  R"((?: [,;/&|+] | \\(?:lor|land|vee|wedge|cup|cap|boxed)\b \s* \{? | \b(?:or|and|vs|versus|plus|nor|)"      \
  R"(through|to|as\s+well\s+as|along\s+with|together\s+with|alternatively|maybe|possibly|perhaps|also|even|)" \
  R"(either|else|both|then|so\s+(?:is|does)|followed\s+by|but\s+(?:maybe|possibly|perhaps|also))\b \.? ))"

struct Words {
  static Pattern make(const char* regex) { return Pattern(regex, Pattern::Text::kBytes, true, true); }

  Pattern join = make(R"([*_"'`)(\]}$.\s]* )" REFOCUS_JOIN R"( (?: [\s*_"'`(\[{$}\])]* )" REFOCUS_JOIN
                      R"( ){0,3} [\s*_"'`(\[{$}\]]*)");
  Pattern firm_join = make(R"([*_"'`)\]}$\s]* (?: , \s* )? (?: / | \b(?:or|and)\b ))");
  Pattern of_its_own = make(
      R"([*_"'`)\]}$]* ,? \s+ (?:is|was|isn't|wasn't|being|does|doesn't|seems|would|can|cannot|can't|has|says|states|refers|describes|fits|means|gives|will|must|should|looks)\b)");
  Pattern ends = make(R"([*_"'`)\]}$]* [ \t]* (?: \z | \n | [,;!)] | \.(?![0-9]) | and\b | or\b ))");
};

const Words& words() {
  static const Words made;
  return made;
}

// Where an option other than `letter` ends whose letter stands at `at`, with its own text where that follows.
std::optional<std::size_t> other_label(const Reply& reply, char letter, std::size_t at) {
  const auto match = for_letters<Joins>(reply.count).letter.match_at(reply.text, at);
  if (!match || reply.text[(*match)[1]->begin] == letter) return std::nullopt;
  const char other = reply.text[(*match)[1]->begin];
  const std::size_t after = (*match)[1]->end;
  const std::size_t end = own_text_after(reply, other, after).value_or(after);
  if (words().of_its_own.match_at(reply.text, end)) return std::nullopt;
  return end;
}

// Where the text of an option other than `letter` ends that stands at `at`.
std::optional<std::size_t> other_text(const Reply& reply, char letter, std::size_t at) {
  const auto quote = reply.options.longest_at(reply.text, at);
  if (!quote || (quote->options >> (letter - 'A') & 1) != 0) return std::nullopt;
  return quote->span.end;
}

std::optional<std::size_t> next_joined(const Reply& reply, char letter, std::size_t at) {
  if (const auto line = for_letters<Joins>(reply.count).line.match_at(reply.text, at);
      line && reply.text[(*line)[1]->begin] != letter) {
    return (*line)[1]->end;
  }
  const auto join = words().join.match_at(reply.text, at);
  if (!join) return std::nullopt;
  const std::size_t from = (*join)[0]->end;
  if (const auto end = other_label(reply, letter, from)) return end;
  const auto end = other_text(reply, letter, from);
  if (!end || words().of_its_own.match_at(reply.text, *end)) return std::nullopt;
  if (words().firm_join.match_at(reply.text, at) || words().ends.match_at(reply.text, *end)) return end;
  return std::nullopt;
}

}  // namespace

std::optional<std::size_t> end_of_joined(const Reply& reply, char letter, std::size_t at) {
  std::optional<std::size_t> end;
  for (int i = 0; i < kLongestList; ++i) {
    const auto next = next_joined(reply, letter, end.value_or(at));
    if (!next) break;
    end = next;
  }
  return end;
}

}  // namespace refocus
