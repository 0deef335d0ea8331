#include "eval/extract/answer_label.h"

#include <algorithm>
#include <bit>

namespace refocus {

#define REFOCUS_ADVERBS                                                                                   \
  R"((?:\s+(?:therefore|thus|indeed|clearly|definitely|probably|likely|most\ likely|only|also|actually|)" \
  R"(obviously|in\ fact|still|hence|then|simply|really|certainly|almost\ certainly|evidently))*)"

const char* const kFirmVerdict =
    R"((?:is|was|must\ be|would\ be|has\ to\ be|should\ be|seems\ to\ be|appears\ to\ be|remains))" REFOCUS_ADVERBS
    R"((?:\s+the\s+answer | \s+(?:the|our|my)\s+(?:\w+\s+){0,2}?)"
    R"((?:correct|right|best|final|appropriate|accurate|suitable|likely|plausible|logical|only|ideal|closest|better))"
    R"(\s+(?:\w+\s+)?(?:answer|choice|option|response|one|solution|pick|match|fit|alternative)) \b)"
    R"((?! \s+(?:if|only\ if|when|in\ that)\b | \s+(?:to|for)\s+(?:an?|another|other)\b))";

const char* const kVerdict =
    R"((?: (?:is|was|seems|appears|looks|must\ be|would\ be|has\ to\ be|should\ be|sounds)(?:\s+to\s+be)?)" REFOCUS_ADVERBS
    R"((?:\s+(?:correct|right|best|accurate|most\s+\w+|the\s+(?:most|best|correct|right)\s+\w+|the\s+(?:answer|one))))"
    R"(| (?:fits|matches|works|answers\ it|describes\ it|explains\ it)\s+(?:the\s+)?best)"
    R"(| best\s+(?:fits|describes|matches|answers|explains|captures|represents|reflects|completes|summari[sz]es))"
    R"(| makes\s+the\s+most\s+sense | answers\s+the\s+question | stands\s+out) \b)"
    R"((?! \s+(?:if|only\ if|in\ that|insofar|about|to\ say|in\ saying|in\ some|up\ to|as\ far|but|for\ some)\b)"
    R"(| ,\s+but\b))";

namespace {

// The character after a letter that stands alone: no word, no possessive, no hyphenated or dotted name.
constexpr const char* kAlone =
    R"((?! [A-Za-z0-9_] | ['`][a-z] | -[A-Za-z0-9] | \.[A-Za-z]\. | [\x80-\xE1\xE4-\xEE\xF0-\xFF] | \xE3[\x81-\xBF]
           | \xE2\x80\x99[a-z] | \xE2\x80[\x90-\x92][A-Za-z0-9] | \+ ))";
constexpr const char* kClosing = R"((?: [*_"'`)\]}$\\] | \xE2\x80[\x99\x9D] | </\w+> )*)";

std::string fill(std::string regex, char last) {
  for (const auto& [mark, text] :
       {std::pair{"{ALONE}", kAlone}, {"{CLOSE}", kClosing}, {"{VERDICT}", kVerdict}}) {
    for (auto at = regex.find(mark); at != std::string::npos; at = regex.find(mark)) {
      regex.replace(at, std::string_view(mark).size(), text);
    }
  }
  return with_letters(regex, last);
}

struct LabelPatterns {
  explicit LabelPatterns(char last)
      : label(make(R"(({L}) {ALONE})", last, false)),
        bracketed(make(R"([(\[{] \s* ({l}) \s* [)\]}])", last, false)),
        small(make(R"(({l}) (?= \) | [*_"'`.,]* [ \t]* (?:\r?\n|\z) ))", last, false)),
        list(make(R"({CLOSE} \s* (?: , | / | & | \bor\b | \band\b | ,\s*(?:or|and)\b ) \s*
                     (?:(?:option|choice)s?\s+)? [(*"]* (?-i: (?!A\s+[a-z]) ({L})) {ALONE}
                     (?! {CLOSE} \s+ (?:is|was|are|were|isn|being|does|seems|would|can)\b))",
                  last, true)) {}

  static Pattern make(const char* regex, char last, bool ignore_case) {
    return Pattern(fill(regex, last), Pattern::Text::kBytes, ignore_case, true);
  }

  Pattern label, bracketed, small, list;
};

// Patterns that do not depend on the letters, matched after a label or text, or between it and the anchor.
struct TailPatterns {
  static Pattern make(const char* regex, bool ignore_case = true) {
    return Pattern(fill(regex, 'A'), Pattern::Text::kBytes, ignore_case, true);
  }

  Pattern closing = make("{CLOSE}");
  Pattern question = make(R"({CLOSE} [ \t]* \?)");
  Pattern denied = make(
      R"({CLOSE} \.? (?:
           \s+ (?:is|was|are|does|do|can|could|would|should|must|has|will|seems|appears)
               (?: n't | n\xE2\x80\x99t | (?:\s+(?:clearly|definitely|also|simply|therefore|probably|be))*
                   \s+(?:not|never|neither|incorrect|wrong|false|implausible|unlikely|ruled\s+out|out)\b )
         | \s+ cannot\b
         | \s* (?: [-:,(]|\xE2\x80[\x93\x94] )* \s* (?:(?:this|it|which|that)\s+(?:option\s+|choice\s+|answer\s+)?
               (?:is|was|seems)\s+ (?:(?:clearly|definitely|also|simply|therefore|probably)\s+)* )?
               (?:incorrect|wrong|not\s+(?:the\s+|a\s+)?(?:correct|right|best|answer|true))\b ) )");
  Pattern verdict = make(R"({CLOSE} ,? \s+ {VERDICT})");
  Pattern neutral = make(
      R"({CLOSE} \s+ (?:is|was|are|were|seems|appears|looks|could|might|may|can|would|should|has|does|says|states
                      |refers|suggests|describes|mentions|involves|represents|and(?!\s+not)|or|vs)\b)");
  Pattern end = make(
      R"({CLOSE} (?: [ \t]* (?: \z | \r?\n ) | [.,;:!] | \xE3\x80[\x80-\x9F] | \xEF\xBC | [ \t]+ (?: [-=(\[>] | \xE2\x80[\x93\x94] | \\ )
                   | \xE2\x80[\x93\x94] ))");
  Pattern reason_after_a = make(
      R"({CLOSE} \s+ (?:because|since|as|due|which|where|with|in|on|by|from|if|the|this|it|and\s+not)\s)");
  Pattern words = make(
      R"({CLOSE} \s+ (?: [A-Z0-9"'$] | (?:because|since|as|due|which|where|with|in|on|by|from|if|the|this|it|and
                      |given|based|that|so|while|when|though|but|not|rather|instead|according|for|here)\b ))",
      false);
  Pattern between = make(R"([\s.:,;)*_"'(\-=] | \xE2\x80[\x93\x94\x98-\x9D])");
  Pattern brief_end = make(R"({CLOSE} [ \t]* (?: \z | \r?\n | [,;:!(] | \.(?![0-9]) ))");
  Pattern letter_after_text = make(R"(\.? \s* \( (?:option\s+|choice\s+)? ([A-Z]) \) )");
  Pattern or_and = make(R"({CLOSE} \s* (?: ,\s*(?:or|and) | or | and | / )\s+ (?:option\s+|choice\s+)?)");

  Pattern denial =
      make(R"((?:(?:definitely|clearly|probably|certainly)\s+)? (?:not|neither|never|cannot\s+be)\b)");
  Pattern markup = make(
      R"(\s | [*_"'`\#>$~({\[=:,-] | \xE2\x80[\x90-\x9F\xA2\xA6] | \xE2\x86\x92 | \xE2\x9C[\x85\x93\x94](?:\xEF\xB8\x8F)?
         | \\(?:boxed|text|textbf|mathrm|mathbf)\b\s*\{? | \\[(\[] | <\w+> | \.\.\. )");
  Pattern bare_filler = make(
      R"((?:the|option|choice|letter|answer|indeed|definitely|clearly|therefore|thus|probably|likely|labell?ed|number
            |then|hence|be)\b)");
  Pattern filler = make(
      R"((?:the|correct|right|best|final|most|accurate|appropriate|suitable|plausible|likely|logical|closest|single
            |answer|choice|option|letter|response|statement|alternative|one|labell?ed|marked|first|second|third|fourth|last|number|given|by|as|follows
            |is|are|be|was|would|should|must|will|has|to|that|it|it['`]s|its|this|clearly|definitely|probably|therefore
            |thus|indeed|simply|in|fact|actually|obviously|certainly|undoubtedly|hence|then|still|my|our|we|i|think
            |believe|choose|select|pick|go|going|with|say|of|course|none|other|than|so|being|following|both|either|sure
            |based|on|analysis|above|information|given|reasoning|all|things|considered)\b)");
  Pattern but = make(R"([^.!?\n]{0,100}? \b(?:but|rather|instead)\b)");
};

const TailPatterns& tail() {
  static const TailPatterns patterns;
  return patterns;
}

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool matches(const Pattern& pattern, const Reply& reply, std::size_t at) {
  return pattern.match_at(reply.text, at).has_value();
}

// Whether the next option, with its letter and text, follows at once or on the next line: then a list of the
// options is being repeated, and none of them chosen.
bool next_option_follows(const Reply& reply, char letter, std::size_t at) {
  if (static_cast<std::size_t>(letter - 'A') + 1 >= reply.count) return false;
  const char next = static_cast<char>(letter + 1);
  const auto follows = [&](std::size_t from) {
    while (true) {
      if (from < reply.text.size() && reply.text[from] == next && from + 1 < reply.text.size() &&
          !is_word(reply.text[from + 1])) {
        return own_text_after(reply, next, from + 1).has_value();
      }
      const auto skipped = tail().between.match_at(reply.text, from);
      if (!skipped) return false;
      from = (*skipped)[0]->end;
    }
  };
  if (follows(at)) return true;
  const std::size_t line = reply.text.find('\n', at);
  return line != std::string_view::npos && follows(line);
}

struct Label {
  char letter;
  Span span;
};

std::optional<Label> find_label(const Reply& reply, std::size_t at) {
  if (at >= reply.text.size() || (at > 0 && is_word(reply.text[at - 1]))) return std::nullopt;
  const auto& patterns = for_letters<LabelPatterns>(reply.count);
  for (const Pattern* pattern : {&patterns.label, &patterns.bracketed, &patterns.small}) {
    if (const auto match = pattern->match_at(reply.text, at)) {
      const Span span = *(*match)[1];
      return Label{static_cast<char>(reply.text[span.begin] & ~0x20), span};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::size_t> own_text_after(const Reply& reply, char letter, std::size_t at) {
  for (int steps = 0; steps < 12; ++steps) {
    if (const auto end = reply.options.end_of(letter - 'A', reply.text, at)) return end;
    const auto skipped = tail().between.match_at(reply.text, at);
    if (!skipped) return std::nullopt;
    at = (*skipped)[0]->end;
  }
  return std::nullopt;
}

Reply::Reply(std::span<const std::string> choices, std::string_view response)
    : text(response), options(choices), quotes(options.all(response)), count(choices.size()) {}

bool Reply::quoted(std::size_t begin, std::size_t end) const {
  const auto after = std::ranges::upper_bound(quotes, begin, {}, [](const Quote& q) { return q.span.begin; });
  // No quote lies inside another, so the last that begins here or before also reaches farthest.
  return after != quotes.begin() && std::prev(after)->span.end >= end && std::prev(after)->span.size() > 1;
}

std::size_t skip_closing(std::string_view text, std::size_t at) {
  return (*tail().closing.match_at(text, at))[0]->end;
}

Reading read_label(const Reply& reply, std::size_t at) {
  using Kind = Reading::Kind;
  const auto label = find_label(reply, at);
  if (!label) return {};
  const std::size_t after = label->span.end;
  const auto own = own_text_after(reply, label->letter, after);
  if (!own) {
    // An option's text may itself begin with a letter: "A and B", "C. elegans", "A careful look".
    const auto quote = reply.options.longest_at(reply.text, label->span.begin);
    if (quote && quote->span.size() > label->span.size()) return {};
    // An option that is nothing but a small letter means itself, not its place in the list.
    if (quote && reply.text[label->span.begin] >= 'a' && std::has_single_bit(quote->options)) return {};
  }
  const Reading denied{Kind::kDenied, label->letter, label->span};
  const Reading chosen{Kind::kLetter, label->letter, label->span};
  const std::size_t end = own.value_or(after);
  if (matches(tail().question, reply, end)) return {};
  if (matches(for_letters<LabelPatterns>(reply.count).list, reply, after)) return {Kind::kAmbiguous, 0, {}};
  if (matches(tail().denied, reply, end)) return denied;
  if (next_option_follows(reply, label->letter, end)) return {};
  if (own || matches(tail().verdict, reply, after)) return chosen;
  if (matches(tail().neutral, reply, after)) return {};
  if (matches(tail().end, reply, after)) return chosen;
  const bool pronoun = label->letter == 'A' || label->letter == 'I';
  return matches(pronoun ? tail().reason_after_a : tail().words, reply, after) ? chosen : Reading{};
}

Reading read_text(const Reply& reply, std::size_t at) {
  using Kind = Reading::Kind;
  const auto quote = reply.options.longest_at(reply.text, at);
  if (!quote) return {};
  const std::size_t end = quote->span.end;
  if (!std::has_single_bit(quote->options)) return {Kind::kAmbiguous, 0, quote->span};
  if (quote->brief && !matches(tail().brief_end, reply, end)) return {};
  if (matches(tail().question, reply, end)) return {};
  const char letter = static_cast<char>('A' + std::countr_zero(quote->options));
  if (const auto named = tail().letter_after_text.match_at(reply.text, end)) {
    const Span span = *(*named)[1];
    const char name = reply.text[span.begin];
    if (name >= 'A' && name < static_cast<char>('A' + reply.count)) return {Kind::kLetter, name, span};
  }
  if (matches(tail().denied, reply, end)) return {Kind::kDenied, letter, quote->span};
  if (const auto more = tail().or_and.match_at(reply.text, end)) {
    const auto other = reply.options.longest_at(reply.text, (*more)[0]->end);
    if (other && other->options != quote->options) return {Kind::kAmbiguous, 0, {}};
  }
  return {Kind::kText, letter, quote->span};
}

namespace {

// "not A but not B but ..." nests; a reply that goes deeper than this is not followed.
constexpr int kDeepestDenial = 4;

Reading read_from(const Reply& reply, std::size_t at, Reach reach, int depth);

Reading read_denial_from(const Reply& reply, std::size_t at, int depth) {
  Reading denied;
  std::size_t place = at;
  for (int steps = 0; steps < 20 && denied.kind == Reading::Kind::kNothing; ++steps) {
    if (const auto label = find_label(reply, place)) {
      denied = {Reading::Kind::kDenied, label->letter, label->span};
    } else if (const auto quote = reply.options.longest_at(reply.text, place);
               quote && std::has_single_bit(quote->options)) {
      denied = {Reading::Kind::kDenied, static_cast<char>('A' + std::countr_zero(quote->options)),
                quote->span};
    }
    auto skipped = tail().markup.match_at(reply.text, place);
    if (!skipped) skipped = tail().filler.match_at(reply.text, place);
    if (!skipped) break;
    place = (*skipped)[0]->end;
  }
  const std::size_t from = denied.kind == Reading::Kind::kNothing ? at : denied.span.end;
  if (depth >= kDeepestDenial) return denied;
  if (const auto but = tail().but.match_at(reply.text, from)) {
    const Reading instead = read_from(reply, (*but)[0]->end, Reach::kFull, depth + 1);
    if (instead.chosen()) return instead;
  }
  return denied;
}

Reading read_from(const Reply& reply, std::size_t at, Reach reach, int depth) {
  const Pattern& filler = reach == Reach::kFull ? tail().filler : tail().bare_filler;
  for (int steps = 0; steps < 40; ++steps) {
    Reading reading = read_label(reply, at);
    if (reading.kind == Reading::Kind::kNothing && reach == Reach::kFull) reading = read_text(reply, at);
    if (reading.kind != Reading::Kind::kNothing) return reading;
    if (const auto denial = tail().denial.match_at(reply.text, at)) {
      return read_denial_from(reply, (*denial)[0]->end, depth);
    }
    auto skipped = tail().markup.match_at(reply.text, at);
    if (!skipped) skipped = filler.match_at(reply.text, at);
    if (!skipped) return {};
    at = (*skipped)[0]->end;
  }
  return {};
}

}  // namespace

Reading read_denial(const Reply& reply, std::size_t at) { return read_denial_from(reply, at, 0); }

Reading read_statement(const Reply& reply, std::size_t at, Reach reach) {
  return read_from(reply, at, reach, 0);
}

}  // namespace refocus
