#include "eval/extract/option_verdicts.h"

#include <algorithm>
#include <vector>

namespace refocus {

namespace {

// Check marks and crosses, in UTF-8.
#define REFOCUS_CHECK_MARK R"((?:\xE2\x9C[\x85\x93\x94]|\xE2\x98\x91|\[x\]))"
#define REFOCUS_CROSS R"((?:\xE2\x9C[\x96-\x98]|\xE2\x9D[\x8C\x8E]|\xE2\x98\x92|\[\s\]))"

struct ListPattern {
  // Group 1: a mark before the letter; group 2: the letter.
  explicit ListPattern(char last)
      : label(
            with_letters(
                R"((?: \A | (?<=[\n;,.!?|)\x80-\xBF]) ) [ \t]{0,8} [-*_>\#|]{0,8} [ \t]{0,8} (?: (\xE2[\x98\x9C\x9D][\x80-\xBF] | \[[x\ ]\]) [ \t]{0,8} )?
                     [*_(]{0,8} (?: [Oo]ption\s+ | [Cc]hoice\s+ )? ({L}) [*_]*
                     (?: [.)\]:=|] | [ \t]+ (?: [-=:|(] | \xE2\x80[\x93\x94] | \xE2\x86\x92 | (?:is|was)\b | \xE2[\x9C\x9D\x98] ) | [ \t]*(?=\n|\z) ))",
                last),
            Pattern::Text::kBytes, false, true) {}
  Pattern label;
};

struct Verdicts {
  static Pattern make(const char* regex) { return Pattern(regex, Pattern::Text::kBytes, true, true); }

  // A verdict alone at the start of what is said of an option, or after "is", a colon or a dash at its end.
  Pattern yes = make(
      R"(\A [\s*_:.,=|>)(-]* (?:\xE2\x86\x92|\xE2\x80[\x93\x94])?\s*
           (?: (?:is\s+)? (?:yes|correct|right|true|accepted|valid|likely) (?= \s*[.,;:!|)*\n] | \s*\z | \s+(?:because|since)\b ) | )" REFOCUS_CHECK_MARK
      R"( )
         | (?: [-:,(=|?] | <- | \xE2\x86\x92 | \xE2\x80[\x93\x94] | \b(?:is|was|so|hence|thus|therefore|seems) ) \s* [*_]*
           (?: (?:yes|correct|right|true|accepted|valid|T) [\s*_.!)|;,]* \z )
         | )" REFOCUS_CHECK_MARK R"( [\s*_.)|;,]* \z)");
  Pattern no = make(
      R"(\A [\s*_:.,=|>)(-]* (?:\xE2\x86\x92|\xE2\x80[\x93\x94])?\s*
           (?: (?:is\s+)? (?:no|not|incorrect|wrong|false|rejected|invalid|unlikely|eliminated|excluded|impossible) (?= \s*[.,;:!|)*\n] | \s*\z | \s+(?:because|since)\b ) | )" REFOCUS_CROSS
      R"( )
         | (?: [-:,(=|?] | <- | \xE2\x86\x92 | \xE2\x80[\x93\x94] | \b(?:is|was|so|hence|thus|therefore|seems) ) \s* [*_]*
           (?: (?:no|incorrect|wrong|false|rejected|invalid|F|not\s+\w+) [\s*_.!)|;,]* \z )
         | )" REFOCUS_CROSS R"( [\s*_.)|;,]* \z)");
  Pattern called_right = make(
      R"((?: \b(?:this|it|that|which)\s+(?:option\s+|choice\s+|answer\s+|statement\s+)?(?:is|was|seems|must\s+be)
            (?:\s+(?:the|clearly|definitely|therefore|thus|indeed|most|likely))* \s+
          | [-:(]\s* | \xE2\x80[\x93\x94]\s* )
         (?:correct|right|the\s+(?:correct|right|best)\s+\w+|best)\b
         (?! \s+(?:if|in\ that|about|but|to\ say)\b | ,\s+but\b))");
  Pattern negation = make(R"(\b(?:not|never|cannot|incorrect|wrong|false|no)\b|n't\b)");
  Pattern check_mark = make(REFOCUS_CHECK_MARK);
  Pattern cross = make(REFOCUS_CROSS);
  Pattern lone_line = make(R"([*_.)]* [ \t]* \n [ \t]* \n)");
};

const Verdicts& verdicts() {
  static const Verdicts made;
  return made;
}

struct Listed {
  Span letter;
  std::optional<Span> mark;        // before the letter
  std::size_t begin = 0, end = 0;  // of what is said of the option
};

constexpr std::size_t kLongest = 600;  // bytes said of an option that count

// The options in the order of their letters, each where it is next named like the head of a list's entry.
std::vector<Listed> find_list(const Reply& reply) {
  std::vector<Listed> list;
  const Pattern& label = for_letters<ListPattern>(reply.count).label;
  std::size_t from = 0;
  char last = 0;
  while (const auto match = label.search(reply.text, from)) {
    const Span whole = *(*match)[0], letter = *(*match)[2];
    from = letter.end;
    if (reply.text[letter.begin] <= last || reply.quoted(letter.begin, letter.end)) continue;
    last = reply.text[letter.begin];
    const std::size_t begin = (*match)[1] ? (*match)[1]->begin : whole.begin;
    if (!list.empty()) list.back().end = std::min(list.back().end, begin);
    const std::size_t said = own_text_after(reply, last, letter.end).value_or(letter.end);
    const std::size_t blank = reply.text.substr(0, said + kLongest).find("\n\n", said);
    list.push_back({letter, (*match)[1], said, std::min({blank, said + kLongest, reply.text.size()})});
  }
  return list;
}

enum class Verdict { kNone, kYes, kNo };

Verdict verdict_on(const Reply& reply, const Listed& listed) {
  const std::size_t begin = std::min(listed.begin, listed.end);
  const std::string_view said = reply.text.substr(begin, listed.end - begin);
  if (listed.mark) {
    const std::string_view mark = reply.text.substr(listed.mark->begin, listed.mark->size());
    if (verdicts().check_mark.match_at(mark, 0)) return Verdict::kYes;
    if (verdicts().cross.match_at(mark, 0)) return Verdict::kNo;
  }
  const auto outside = [&](const std::optional<Match>& match) {
    return match && !reply.quoted(begin + (*match)[0]->begin, begin + (*match)[0]->end);
  };
  const bool yes = outside(verdicts().yes.search(said)), no = outside(verdicts().no.search(said));
  if (yes != no) return yes ? Verdict::kYes : Verdict::kNo;
  if (yes) return Verdict::kNone;
  const auto right = verdicts().called_right.search(said);
  if (!outside(right) || verdicts().negation.search(said.substr((*right)[0]->begin, (*right)[0]->size()))) {
    return Verdict::kNone;
  }
  return Verdict::kYes;
}

}  // namespace

Reading read_option_verdicts(const Reply& reply) {
  const std::vector<Listed> list = find_list(reply);
  if (list.size() < 2) return {};
  Reading right;
  for (const Listed& listed : list) {
    if (verdict_on(reply, listed) != Verdict::kYes) continue;
    if (right.chosen()) return {};
    right = {Reading::Kind::kLetter, reply.text[listed.letter.begin], listed.letter};
  }
  return right;
}

bool opens_with_list(const Reply& reply) {
  const std::vector<Listed> list = find_list(reply);
  if (list.size() < 2) return false;
  const Listed& first = list.front();
  for (std::size_t at = 0; at < first.letter.begin; ++at) {
    const char c = reply.text[at];
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return false;
  }
  if (verdict_on(reply, first) == Verdict::kNo) return true;
  return reply.text[first.letter.begin] == 'A' && reply.text[list[1].letter.begin] == 'B' &&
         !verdicts().lone_line.match_at(reply.text, first.letter.end);
}

}  // namespace refocus
