#include "eval/extract/answer_label.h"

#include <algorithm>
#include <bit>

#include "eval/extract/label_patterns.h"
#include "eval/extract/plain_text.h"
#include "eval/extract/several_options.h"

namespace refocus {

namespace {

bool is_letter(char c) { return is_word(c) && (c < '0' || c > '9') && c != '_'; }

bool matches(const Pattern& pattern, const Reply& reply, std::size_t at) {
  return pattern.match_at(reply.text, at).has_value();
}

constexpr std::size_t kLongestLine = 1000;  // bytes that are searched for a line's end

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
  const std::size_t line = reply.text.substr(0, at + kLongestLine).find('\n', at);
  return line != std::string_view::npos && follows(line);
}

struct Label {
  char letter;
  Span span;
};

// Whether a letter at `at` would go on a word, a subscript or a unit ("25 \u00B0C").
bool inside_word(const Reply& reply, std::size_t at) {
  if (at == 0 || !is_letter(reply.text[at])) return false;
  const std::string_view before = reply.text.substr(0, at);
  if (before.ends_with("\xC2\xB0") || before.ends_with("\xC2\xBA")) return true;
  if (before.back() != '_') return is_word(before.back());
  const std::size_t mark = before.find_last_not_of('_');
  return mark != std::string_view::npos && (is_word(before[mark]) || before[mark] == '}');
}

std::optional<Label> find_label(const Reply& reply, std::size_t at) {
  if (at >= reply.text.size() || inside_word(reply, at)) return std::nullopt;
  const auto& patterns = for_letters<LabelPatterns>(reply.count);
  for (const Pattern* pattern : {&patterns.label, &patterns.bracketed, &patterns.small, &patterns.pointed,
                                 &patterns.reasoned, &patterns.before_text}) {
    const auto match = pattern->match_at(reply.text, at);
    if (!match) continue;
    const Span span = *(*match)[1];
    const Label label{letter_of(reply, span), span};
    if (pattern == &patterns.before_text && !own_text_after(reply, label.letter, span.end)) continue;
    return label;
  }
  return std::nullopt;
}

// Whether "C." or "A:" begins a name or a speech: "C. S. Lewis", "C. albicans", "A. Smith", "A: C".
bool begins_name(const Reply& reply, const Label& label) {
  const std::size_t after = skip_closing(reply.text, label.span.end);
  if (after != label.span.end) return false;
  if (matches(tail().initials, reply, after) || matches(tail().speaker, reply, after)) return true;
  for (const Pattern* pattern : {&tail().species, &tail().surname}) {
    const auto match = pattern->match_at(reply.text, after);
    if (!match) continue;
    const Span word = (*match)[1] ? *(*match)[1] : *(*match)[2];
    if (!reply.options.mentions(label.letter - 'A', reply.text.substr(word.begin, word.size()))) return true;
  }
  return false;
}

// Whether "B. Madrid" gives one option's letter and another's text.
bool contradicted(const Reply& reply, const Label& label) {
  const auto to_text = tail().to_text.match_at(reply.text, label.span.end);
  if (!to_text) return false;
  const auto quote = reply.options.longest_at(reply.text, (*to_text)[0]->end);
  return quote && (quote->options >> (label.letter - 'A') & 1) == 0 &&
         matches(tail().line_end, reply, quote->span.end);
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

char letter_of(const Reply& reply, Span span) { return static_cast<char>(reply.text[span.begin] & ~0x20); }

std::size_t skip_closing(std::string_view text, std::size_t at) {
  return (*tail().closing.match_at(text, at))[0]->end;
}

bool is_denied(const Reply& reply, Span span) {
  if (ends_name(reply, span)) return false;
  const char letter = letter_of(reply, span);
  return matches(tail().denied, reply, own_text_after(reply, letter, span.end).value_or(span.end));
}

bool ends_name(const Reply& reply, Span span) {
  const std::size_t begin = span.begin > 24 ? span.begin - 24 : 0;
  return tail().name.search(reply.text.substr(begin, span.begin - begin)).has_value();
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
  if (contradicted(reply, *label)) return {Kind::kAmbiguous, 0, label->span};
  if (const auto joined = end_of_joined(reply, label->letter, end)) {
    return matches(tail().all_denied, reply, *joined)
               ? Reading{}
               : Reading{Kind::kAmbiguous, 0, {label->span.begin, *joined}};
  }
  if (matches(tail().denied, reply, end)) return denied;
  if (next_option_follows(reply, label->letter, end)) return {};
  if (own || matches(tail().verdict, reply, after)) return chosen;
  if (matches(tail().neutral, reply, after) || begins_name(reply, *label)) return {};
  if (label->letter == 'I' && reply.text.substr(after).starts_with(",")) return {};
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
    if (name >= 'A' && name < static_cast<char>('A' + reply.count)) {
      return name == letter ? Reading{Kind::kLetter, name, span} : Reading{Kind::kAmbiguous, 0, quote->span};
    }
  }
  if (matches(tail().denied, reply, end)) return {Kind::kDenied, letter, quote->span};
  if (const auto joined = end_of_joined(reply, letter, end)) {
    return matches(tail().all_denied, reply, *joined)
               ? Reading{}
               : Reading{Kind::kAmbiguous, 0, {quote->span.begin, *joined}};
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
