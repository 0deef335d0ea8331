#include "eval/extract/weak_signs.h"

#include <algorithm>
#include <bit>
#include <string>

#include "eval/extract/option_verdicts.h"
#include "eval/extract/several_options.h"
#include "eval/extract/stance.h"

namespace refocus {

namespace {

struct LetterPatterns {
  explicit LetterPatterns(char last)
      : letter(make(R"((?<![A-Za-z0-9_'.\x80-\xFF-]) ({L}) (?![A-Za-z0-9_'=+-] | \.[A-Za-z])
                        | (?<=[Oo]ption\s | [Cc]hoice\s) ({l}) (?![A-Za-z0-9_'=+-]) (?! \s (?!is\b|was\b)[a-z]))",
                    last)),
        pointed(make(
            R"((?:\b[Oo]ption|\b[Cc]hoice|\b[Ll]etter|\b[Aa]nswer) \s+ [("*]* ({L}) \b | (?<![A-Za-z0-9_])\( ({L}) \))",
            last)),
        last_sentence(make(R"([.!?:] \s+ [*_(]* ({L}) [*_).]* \s* \z)", last)),
        summed_up(make(
            R"((?: \A | [.!?;,\n] \s*) (?:[Ss]o|[Tt]hus|[Tt]herefore|[Hh]ence|[Cc]onsequently) \b [^.!?\n]{0,80} \s (?:is|be) \s+ [*_(]* ({L}) [*_).]* \s* \z)",
            last)),
        bare(make(
            R"((?: [A-Za-z]:[ \t]{0,8} [*_(]{0,8} ({L}) [*_).]{0,8} (?= \s | \z | [,;] )
                 | (?:\A|\n)[ \t]{0,8}(?:[-*][ \t]|[0-9]{1,2}[.)][ \t])?[ \t]{0,8} [*_(]{0,8} ({L}) [*_).]{0,8} (?= [ \t]{0,8}(?:\n|\z) ) ))",
            last)),
        line(make(
            R"((?:\A|\n) [ \t>*_\#(-]* (?:[Oo]ption\s+|[Cc]hoice\s+)? ({L}) [*_]* (?: [.):] | \s+[-=] ) )",
            last)) {}

  static Pattern make(const char* regex, char last) {
    return Pattern(with_letters(regex, last), Pattern::Text::kBytes, false, true);
  }

  Pattern letter;                    // any letter that stands alone
  Pattern pointed;                   // one that is called an option or stands in brackets
  Pattern last_sentence, summed_up;  // at the end of "So ... is C."
  Pattern bare;                      // alone after a colon or on a line
  Pattern line;                      // one that opens a line
};

struct Phrases {
  static Pattern make(const std::string& regex) { return Pattern(regex, Pattern::Text::kBytes, true, true); }

  Pattern verdict = make(std::string(R"([*_"'`)\]}.:]* ,? \s+ (?:)") + kVerdict + ")");
  Pattern conclusion = make(
      R"(\b(?:so|therefore|thus|hence|overall|consequently|ultimately|finally|however|but|only)\b [^.!?\n]{0,60}\z)");
  Pattern negation = make(
      R"(\b(?:not|nor|neither|never|cannot|incorrect|wrong|except|unlike|eliminate|rule\s+out|than)\b|n't\b)");
  Pattern denial_before = make(
      R"((?:\b(?:not|nor|neither|never|cannot|incorrect|wrong|except|unlike|eliminated?|rules?\s+out|than|if)\b|n't\b)
         [^.!?;,\n]{0,30}\z)");
  Pattern placed_before = make(
      R"((?: \A | [.:!?;,\n]\s* | (?<![A-Za-z0-9\s])\s*[*_"'`\[{$(]+ | \b(?:is|be|with|to|for|so|therefore|thus|hence
              |only|just|say|pick|choose|select|guess|then|indeed|definitely|clearly|probably|likely|remains)\s+ ) (?:(?:the\s+)?(?:option|choice|letter|answer)\s+)? [*_("'`\[{$]* \z)");
  Pattern ends_text =
      make(R"([*_"'`)\]}$]* (?: [ \t]* (?: \z | \n | [,;:!(.-] | \xE2\x80 ) | \s+(?:because|since|as)\b ))");
  Pattern line_break = make(R"([*_"'`)\]}$.]* [ \t]* \n [\s*_"'`(\[>$-]*)");
  Pattern supposed = make(R"(\A\W*(?:if|were|had|should|suppose|assum)\b)");
  Pattern opener = make(R"((?:option|choice|letter|answer)\s+[("*]*)");
  Pattern refusal = make(
      R"(\b(?: (?:I|we)\s+(?:do\s+not|don't|cannot|can't|am\s+not|'m\s+not|am\s+un|am\s+unable\s+to)\s*(?:know|sure|able|decide|determine|certain|answer|say|choose|pick|tell|select)
          | (?:I|we)\s+(?:decline|refuse)\s+to | not\s+(?:listed|among|provided|given)\b | (?:all|every)\s+(?:of\s+the\s+)?(?:options?|choices?|answers?)\s+(?:is|are)\b
          | none\s+of\s+(?:the|these|them)\b (?![^.!?\n]*\bbut\b) | cannot\s+be\s+(?:determined|answered) | not\s+enough\s+information
          | insufficient\s+information | unanswerable | no\s+(?:correct|right|valid)\s+(?:answer|option) )\b)");
};

const Phrases& phrases() {
  static const Phrases made;
  return made;
}

const LetterPatterns& letters(const Reply& reply) { return for_letters<LetterPatterns>(reply.count); }

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// "A" (or "I") before a word, where it may be the article.
bool may_be_article(const Reply& reply, Span span) {
  const char letter = reply.text[span.begin];
  const std::string_view rest = reply.text.substr(span.end);
  if (rest.starts_with(" and ") || rest.starts_with(" or ")) return false;
  return (letter == 'A' || letter == 'I') && span.end + 1 < reply.text.size() &&
         reply.text[span.end] == ' ' && is_letter_or_digit(reply.text[span.end + 1]);
}

// Whether the words around a letter let it be an answer: "it is C", "Easy. C", no "C major" and no "f(C)".
bool placed_like_answer(const Reply& reply, Span span) {
  const std::size_t begin = span.begin > 40 ? span.begin - 40 : 0;
  return read_label(reply, span.begin).kind == Reading::Kind::kLetter &&
         phrases().placed_before.search(reply.text.substr(begin, span.begin - begin)).has_value();
}

bool denied_before(const Reply& reply, std::size_t at) {
  const std::size_t begin = at > 60 ? at - 60 : 0;
  return phrases().denial_before.search(reply.text.substr(begin, at - begin)).has_value();
}

// Calls visit(span) for every match of group 1 or 2 from `begin` on that is not part of a quoted option text.
template <class Visit>
void each_letter(const Pattern& pattern, const Reply& reply, std::size_t begin, const Visit& visit) {
  std::size_t from = begin;
  while (const auto match = pattern.search(reply.text, from)) {
    const std::size_t group = (*match)[1] ? 1 : 2;
    const Span span = *(*match)[group];
    from = span.end;
    if (!reply.quoted(span.begin, span.end)) visit(span);
  }
}

Reading letter_at(const Reply& reply, Span span) {
  return {Reading::Kind::kLetter, letter_of(reply, span), span};
}

// More signs than this are no sign, and cost too much to weigh.
constexpr int kMostSigns = 100;

// Keeps one option as long as all readings agree.
struct OnlyOne {
  Reading reading;
  bool several = false;

  void add(const Reading& next) {
    if (reading.chosen() && reading.letter != next.letter) several = true;
    reading = next;
  }
  Reading result() const { return several ? Reading{} : reading; }
};

}  // namespace

Reading read_verdicts(const Reply& reply, std::size_t begin) {
  OnlyOne only;
  Reading concluded;
  int signs = 0;
  const auto visit = [&](const Reading& reading, std::size_t end) {
    if (++signs > kMostSigns) return;
    const std::size_t sentence = sentence_begin(reply.text, reading.span.begin);
    if (phrases().supposed.search(reply.text.substr(sentence, reading.span.begin - sentence))) return;
    if (doubted(reply.text, reading.span.begin) || !asserted(reply.text, {reading.span.begin, end})) return;
    only.add(reading);
    const std::size_t at = reading.span.begin, from = std::max(begin, at > 80 ? at - 80 : 0);
    if (phrases().conclusion.search(reply.text.substr(from, at - from)) &&
        (!concluded.chosen() || concluded.span.begin < at)) {
      concluded = reading;
    }
  };
  each_letter(letters(reply).letter, reply, begin, [&](Span span) {
    const auto verdict = phrases().verdict.match_at(reply.text, skip_closing(reply.text, span.end));
    if (!verdict || ends_name(reply, span)) return;
    const std::size_t end = (*verdict)[0]->end;
    visit(letter_at(reply, span), end);
    if (end_of_joined(reply, letter_of(reply, span), end)) only.several = true;
  });
  for (const Quote& quote : reply.quotes) {
    if (quote.span.begin < begin || !std::has_single_bit(quote.options)) continue;
    const auto verdict = phrases().verdict.match_at(reply.text, quote.span.end);
    if (!verdict) continue;
    visit({Reading::Kind::kText, static_cast<char>('A' + std::countr_zero(quote.options)), quote.span},
          (*verdict)[0]->end);
  }
  if (signs > kMostSigns || (only.several && !concluded.chosen())) return {Reading::Kind::kAmbiguous, 0, {}};
  return only.several ? concluded : only.result();
}

Reading read_only_mention(const Reply& reply, std::size_t begin, Mention mention) {
  OnlyOne pointed, any;
  bool placed = false;
  int mentions = 0;
  const auto no_answer = [&](Span span) {
    if (++mentions > kMostSigns) return true;
    return read_label(reply, span.begin).kind == Reading::Kind::kDenied || denied_before(reply, span.begin) ||
           ends_name(reply, span) || !plainly_mentioned(reply.text, span);
  };
  bool pointed_placed = false;
  each_letter(letters(reply).pointed, reply, begin, [&](Span span) {
    if (no_answer(span)) return;
    pointed.add(letter_at(reply, span));
    pointed_placed |= placed_like_answer(reply, span);
  });
  each_letter(letters(reply).letter, reply, begin, [&](Span span) {
    if (no_answer(span)) return;
    if (own_text_after(reply, letter_of(reply, span), span.end)) {
      pointed.add(letter_at(reply, span));
      pointed_placed |= placed_like_answer(reply, span);
    } else if (!may_be_article(reply, span)) {
      any.add(letter_at(reply, span));
      placed |= placed_like_answer(reply, span);
    }
  });
  if (mentions > kMostSigns) return {};
  if (pointed.several || pointed.reading.chosen()) return pointed_placed ? pointed.result() : Reading{};
  return mention == Mention::kAny && placed ? any.result() : Reading{};
}

Reading read_only_text(const Reply& reply, std::size_t begin) {
  OnlyOne only;
  std::size_t from = begin;
  const auto denies = [&](std::size_t end) {
    return phrases().negation.search(reply.text.substr(from, end - from)).has_value();
  };
  int signs = 0;
  for (const Quote& quote : reply.quotes) {
    if (quote.span.begin < begin) continue;
    if (++signs > kMostSigns) return {};
    if (!std::has_single_bit(quote.options) || denies(quote.span.begin)) return {};
    from = quote.span.end;
    if (!plainly_mentioned(reply.text, quote.span)) return {};
    only.add({Reading::Kind::kText, static_cast<char>('A' + std::countr_zero(quote.options)), quote.span});
  }
  return denies(reply.text.size()) ? Reading{} : only.result();
}

namespace {

// The label that the response opens with, at `at`.
Reading opening_label(const Reply& reply, std::size_t at) {
  for (const std::size_t place : {std::size_t{0}, at}) {
    const Reading label = read_label(reply, place);
    if (label.kind == Reading::Kind::kNothing) continue;
    // "C is correct" is for read_verdicts to weigh.
    return label.chosen() && phrases().verdict.match_at(reply.text, skip_closing(reply.text, label.span.end))
               ? Reading{}
               : label;
  }
  return {};
}

// Whether a line ends at `at` and no option follows on the next.
bool stands_alone(const Reply& reply, std::size_t at) {
  const auto line = phrases().line_break.match_at(reply.text, at);
  if (!line) return false;
  const std::size_t next = (*line)[0]->end;
  return !reply.options.longest_at(reply.text, next) &&
         read_label(reply, next).kind == Reading::Kind::kNothing;
}

// The option text that the response opens with, at `at`: before a line's end, a mark or a reason, with no
// other option's text after it and no denial of it.
Reading opening_text(const Reply& reply, std::size_t at) {
  for (const std::size_t place : {std::size_t{0}, at}) {
    const Reading text = read_text(reply, place);
    if (text.kind != Reading::Kind::kText) continue;
    if (!phrases().ends_text.match_at(reply.text, text.span.end)) return {};
    if (stands_alone(reply, text.span.end)) return text;
    OnlyOne only;
    for (const Quote& quote : reply.quotes) {
      if (!std::has_single_bit(quote.options)) return {};
      only.add({Reading::Kind::kText, static_cast<char>('A' + std::countr_zero(quote.options)), quote.span});
    }
    const std::string_view sentence =
        reply.text.substr(text.span.end, sentence_end(reply.text, text.span.end) - text.span.end);
    return only.several || phrases().negation.search(sentence) ? Reading{} : text;
  }
  return {};
}

}  // namespace

Reading read_opening(const Reply& reply) {
  std::size_t at = 0;
  while (at < reply.text.size() &&
         std::string_view(" \t\r\n*_\"'`([#>$-").find(reply.text[at]) != std::string_view::npos)
    ++at;
  if (opens_with_list(reply)) return {};
  if (const Reading label = opening_label(reply, at); label.kind != Reading::Kind::kNothing) {
    return label.chosen() && asserted(reply.text, label.span) ? label : Reading{};
  }
  if (const auto pointed = phrases().opener.match_at(reply.text, at)) {
    const Reading label = opening_label(reply, (*pointed)[0]->end);
    OnlyOne only;
    each_letter(letters(reply).pointed, reply, 0, [&](Span span) { only.add(letter_at(reply, span)); });
    return label.chosen() && asserted(reply.text, label.span) && !only.several ? label : Reading{};
  }
  const Reading text = opening_text(reply, at);
  return text.chosen() && asserted(reply.text, text.span) ? text : Reading{};
}

namespace {

// "Mary: D. John: A.", "B\nD": several bare letters, each after a colon or on a line.
bool names_speakers(const Reply& reply) {
  OnlyOne only;
  each_letter(letters(reply).bare, reply, 0, [&](Span span) { only.add(letter_at(reply, span)); });
  return only.several;
}

}  // namespace

Reading read_closing(const Reply& reply) {
  const std::size_t last = reply.text.find_last_not_of(" \t\r\n");
  if (last == std::string_view::npos) return {};
  for (const Pattern* pattern : {&letters(reply).last_sentence, &letters(reply).summed_up}) {
    const auto match = pattern->search(reply.text);
    if (!match) continue;
    const Span span = *(*match)[1];
    if (names_speakers(reply)) return {};
    const bool plain = pattern == &letters(reply).last_sentence
                           ? asserted(reply.text, span)
                           : plainly_mentioned(reply.text, span) && !doubted(reply.text, span.begin);
    return plain && !ends_name(reply, span) ? letter_at(reply, span) : Reading{};
  }
  if (names_speakers(reply)) return {};
  const std::size_t line = reply.text.rfind('\n', last);
  if (line == std::string_view::npos) return {};
  std::size_t at = line + 1;
  while (at < last && std::string_view(" \t*_\"'`(#>$").find(reply.text[at]) != std::string_view::npos) ++at;
  const Reading label = read_label(reply, at);
  if (!label.chosen() || !asserted(reply.text, label.span)) return {};
  // The end of a list of the options is no answer: it needs the option before it on a line of its own.
  if (label.letter > 'A') {
    bool listed = false;
    each_letter(letters(reply).line, reply, 0,
                [&](Span span) { listed |= span.begin < at && reply.text[span.begin] == label.letter - 1; });
    const std::size_t end = skip_closing(reply.text, label.span.end);
    if (listed && reply.text.find_first_not_of(" \t\r\n.", end) != std::string_view::npos) return {};
  }
  return label;
}

bool refuses(const Reply& reply, std::size_t begin) {
  std::size_t from = begin;
  while (const auto match = phrases().refusal.search(reply.text, from)) {
    const Span span = *(*match)[0];
    if (!reply.quoted(span.begin, span.end)) return true;
    from = span.end;
  }
  return false;
}

}  // namespace refocus
