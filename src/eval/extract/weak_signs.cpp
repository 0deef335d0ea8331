#include "eval/extract/weak_signs.h"

#include <algorithm>
#include <bit>
#include <string>

#include "eval/extract/answer_statements.h"

namespace refocus {

namespace {

struct LetterPatterns {
  explicit LetterPatterns(char last)
      : letter(make(R"((?<![A-Za-z0-9_'.\x80-\xFF-]) ({L}) (?![A-Za-z0-9_'=+-] | \.[A-Za-z]))", last)),
        pointed(
            make(R"((?:\b[Oo]ption|\b[Cc]hoice|\b[Ll]etter|\b[Aa]nswer) \s+ [("*]* ({L}) \b | \( ({L}) \))",
                 last)),
        last_sentence(make(R"([.!?:] \s+ [*_(]* ({L}) [*_).]* \s* \z)", last)),
        line(make(
            R"((?:\A|\n) [ \t>*_\#(-]* (?:[Oo]ption\s+|[Cc]hoice\s+)? ({L}) [*_]* (?: [.):] | \s+[-=] ) )",
            last)) {}

  static Pattern make(const char* regex, char last) {
    return Pattern(with_letters(regex, last), Pattern::Text::kBytes, false, true);
  }

  Pattern letter;   // any letter that stands alone
  Pattern pointed;  // one that is called an option or stands in brackets
  Pattern last_sentence;
  Pattern line;  // one that opens a line
};

struct Phrases {
  static Pattern make(const std::string& regex) { return Pattern(regex, Pattern::Text::kBytes, true, true); }

  Pattern verdict = make(std::string(R"([*_"'`)\]}.:]* ,? \s+ (?:)") + kVerdict + ")");
  Pattern conclusion = make(
      R"(\b(?:so|therefore|thus|hence|overall|consequently|ultimately|finally|however|but|only)\b [^.!?\n]{0,60}\z)");
  Pattern called_right = make(
      R"((?: \b(?:this|it|that|which)\s+(?:option\s+|choice\s+|answer\s+|statement\s+)?(?:is|was|seems|must\s+be)
            (?:\s+(?:the|clearly|definitely|therefore|thus|indeed|most|likely))* \s+
          | [-:(]\s* | \xE2\x80[\x93\x94]\s* )
         (?:correct|right|the\s+(?:correct|right|best)\s+\w+|best)\b
         (?! \s+(?:if|in\ that|about|but|to\ say)\b | ,\s+but\b))");
  Pattern negation = make(
      R"(\b(?:not|nor|neither|never|cannot|incorrect|wrong|except|unlike|eliminate|rule\s+out|than)\b|n't\b|n\xE2\x80\x99t\b)");
  Pattern denial_before = make(
      R"((?:\b(?:not|nor|neither|never|cannot|incorrect|wrong|except|unlike|eliminated?|rules?\s+out|than|if)\b|n't\b)
         [^.!?;,\n]{0,30}\z)");
  Pattern name_before = make(
      R"(\b(?:vitamin|hepatitis|influenza|type|group|plan|class|appendix|protein|factor|point|figure|grade|phase|stage|country
            |person|player|company|firm|party|good|variable|event|set|section|part|vector|matrix|gene|allele|side)s?\s+\z)");
  Pattern refusal = make(
      R"(\b(?: (?:I|we)\s+(?:do\s+not|don't|cannot|can't|am\s+not|'m\s+not|am\s+un)\s*(?:know|sure|able|decide|determine|certain|answer|say)
          | none\s+of\s+(?:the|these|them)\b (?![^.!?\n]*\bbut\b) | cannot\s+be\s+(?:determined|answered) | not\s+enough\s+information
          | insufficient\s+information | unanswerable | no\s+(?:correct|right|valid)\s+(?:answer|option) )\b)");
};

const Phrases& phrases() {
  static const Phrases made;
  return made;
}

const LetterPatterns& letters(const Reply& reply) { return for_letters<LetterPatterns>(reply.count); }

bool is_word(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// "A" (or "I") before a word, where it may be the article.
bool may_be_article(const Reply& reply, Span span) {
  const char letter = reply.text[span.begin];
  const std::string_view rest = reply.text.substr(span.end);
  if (rest.starts_with(" and ") || rest.starts_with(" or ")) return false;
  return (letter == 'A' || letter == 'I') && span.end + 1 < reply.text.size() &&
         reply.text[span.end] == ' ' && is_word(reply.text[span.end + 1]);
}

// "100 C": a unit rather than a letter.
bool follows_number(const Reply& reply, Span span) {
  return span.begin > 1 && reply.text[span.begin - 1] == ' ' && reply.text[span.begin - 2] >= '0' &&
         reply.text[span.begin - 2] <= '9';
}

// "vitamin C", "country A": a name rather than an option.
bool ends_a_name(const Reply& reply, Span span) {
  const std::size_t begin = span.begin > 20 ? span.begin - 20 : 0;
  return phrases().name_before.search(reply.text.substr(begin, span.begin - begin)).has_value();
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
  return {Reading::Kind::kLetter, reply.text[span.begin], span};
}

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
  const auto visit = [&](const Reading& reading) {
    if (doubted(reply.text, reading.span.begin)) return;
    only.add(reading);
    const std::size_t at = reading.span.begin, from = std::max(begin, at > 80 ? at - 80 : 0);
    if (phrases().conclusion.search(reply.text.substr(from, at - from)) &&
        (!concluded.chosen() || concluded.span.begin < at)) {
      concluded = reading;
    }
  };
  each_letter(letters(reply).letter, reply, begin, [&](Span span) {
    std::size_t end = skip_closing(reply.text, span.end);
    if (phrases().verdict.match_at(reply.text, end)) visit(letter_at(reply, span));
  });
  for (const Quote& quote : reply.quotes) {
    if (quote.span.begin < begin || !std::has_single_bit(quote.options)) continue;
    if (!phrases().verdict.match_at(reply.text, quote.span.end)) continue;
    visit({Reading::Kind::kText, static_cast<char>('A' + std::countr_zero(quote.options)), quote.span});
  }
  return only.several ? concluded : only.result();
}

Reading read_only_mention(const Reply& reply, std::size_t begin, Mention mention) {
  OnlyOne pointed, any;
  const auto denied = [&](Span span) {
    return read_label(reply, span.begin).kind == Reading::Kind::kDenied || denied_before(reply, span.begin);
  };
  each_letter(letters(reply).pointed, reply, begin, [&](Span span) {
    if (!denied(span)) pointed.add(letter_at(reply, span));
  });
  each_letter(letters(reply).letter, reply, begin, [&](Span span) {
    if (denied(span)) return;
    if (own_text_after(reply, reply.text[span.begin], span.end)) {
      pointed.add(letter_at(reply, span));
    } else if (!may_be_article(reply, span) && !follows_number(reply, span) && !ends_a_name(reply, span)) {
      any.add(letter_at(reply, span));
    }
  });
  if (pointed.several || pointed.reading.chosen()) return pointed.result();
  return mention == Mention::kAny ? any.result() : Reading{};
}

Reading read_only_text(const Reply& reply, std::size_t begin) {
  OnlyOne only;
  std::size_t from = begin;
  const auto denies = [&](std::size_t end) {
    return phrases().negation.search(reply.text.substr(from, end - from)).has_value();
  };
  for (const Quote& quote : reply.quotes) {
    if (quote.span.begin < begin) continue;
    if (!std::has_single_bit(quote.options) || denies(quote.span.begin)) return {};
    from = quote.span.end;
    only.add({Reading::Kind::kText, static_cast<char>('A' + std::countr_zero(quote.options)), quote.span});
  }
  return denies(reply.text.size()) ? Reading{} : only.result();
}

Reading read_opening(const Reply& reply) {
  std::size_t at = 0;
  while (at < reply.text.size() &&
         std::string_view(" \t\r\n*_\"'`([#>$").find(reply.text[at]) != std::string_view::npos)
    ++at;
  for (const std::size_t place : {std::size_t{0}, at}) {
    const Reading label = read_label(reply, place);
    if (label.chosen() || label.kind == Reading::Kind::kDenied) return label.chosen() ? label : Reading{};
  }
  const auto pointed = letters(reply).pointed.match_at(reply.text, at);
  if (pointed && (*pointed)[1]) {
    const Reading label = read_label(reply, (*pointed)[1]->begin);
    OnlyOne only;
    each_letter(letters(reply).pointed, reply, 0, [&](Span span) { only.add(letter_at(reply, span)); });
    return label.chosen() ? only.result() : Reading{};
  }
  for (const std::size_t place : {std::size_t{0}, at}) {
    const Reading text = read_text(reply, place);
    if (text.kind != Reading::Kind::kText) continue;
    OnlyOne only;
    for (const Quote& quote : reply.quotes) {
      if (!std::has_single_bit(quote.options)) return {};
      only.add({Reading::Kind::kText, static_cast<char>('A' + std::countr_zero(quote.options)), quote.span});
    }
    return only.several ? Reading{} : text;
  }
  return {};
}

Reading read_option_verdicts(const Reply& reply) {
  std::vector<Span> lines;
  each_letter(letters(reply).line, reply, 0, [&](Span span) { lines.push_back(span); });
  OnlyOne only;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t begin = lines[i].end;
    const std::size_t end = i + 1 < lines.size() ? lines[i + 1].begin : reply.text.find("\n\n", begin);
    const std::string_view part = reply.text.substr(begin, end == std::string_view::npos ? end : end - begin);
    const auto right = phrases().called_right.search(part);
    if (!right || reply.quoted(begin + (*right)[0]->begin, begin + (*right)[0]->end)) continue;
    if (phrases().negation.search(part.substr((*right)[0]->begin, (*right)[0]->size()))) continue;
    only.add(letter_at(reply, lines[i]));
  }
  return only.result();
}

Reading read_closing(const Reply& reply) {
  const std::size_t last = reply.text.find_last_not_of(" \t\r\n");
  if (last == std::string_view::npos) return {};
  if (const auto match = letters(reply).last_sentence.search(reply.text))
    return letter_at(reply, *(*match)[1]);
  const std::size_t line = reply.text.rfind('\n', last);
  if (line == std::string_view::npos) return {};
  std::size_t at = line + 1;
  while (at < last && std::string_view(" \t*_\"'`(#>$").find(reply.text[at]) != std::string_view::npos) ++at;
  const Reading label = read_label(reply, at);
  if (!label.chosen()) return {};
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
