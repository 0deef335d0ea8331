#include "eval/extract/answer_statements.h"

#include <algorithm>
#include <bit>
#include <deque>
#include <string>

#include "eval/extract/stance.h"

namespace refocus {

namespace {

// Words that make "option", "one", ... mean the answer.
#define REFOCUS_QUALIFIER                                                                                          \
  R"((?:correct|right|best|final|appropriate|accurate|proper|logical|chosen|ideal|closest|most\s+\w+|only\s+\w+|)" \
  R"(my|our|selected|suitable|plausible|likely|remaining|preferred|better))"

constexpr const char* kHead =
    R"((\b(?:if|whether|which|what|each|any|no|neither|every|another)\s+(?:of\s+)?(?:the\s+|an?\s+)?(?:)" REFOCUS_QUALIFIER
    R"(\s+)*)?
       (\b(?:incorrect|wrong|worst|false|invalid|least\s+\w+|less\s+\w+)\s+)?
       (?: (?:\b|(?<=_))(?:answer|choice)s?\b
         | (?: \A | (?<=[\n.!?:;*\#>"(\[\x80-\xBF-]) | (?<=[\n.!?:;*\#>"(\[\x80-\xBF-]\s) )
           (?: (?:response|verdict|solution|decision|selection|conclusion)\b
             | (?:final|ans|letter|option|assistant|result)(?=[*_]*\.?\s*[:=]) )
         | \b)" REFOCUS_QUALIFIER
    R"(\s+(?:response|option|one|statement|alternative|solution|letter|selection|decision|pick|candidate|match|fit
                 |explanation|description|definition|interpretation|conclusion)s?\b
         | \b(?:option|statement|one|alternative)\s+(?:that|which)\s+(?:is\s+)?(?:the\s+)?
           (?:best|correctly|most|correct|right)\b ))";

// Group 1: with a denial; group 2: the end of a header's line; group 3: a colon or sign.
constexpr const char* kCopula =
    R"(\b(?:is|was|are)(n't) \b
       | ([*_\#]*[ \t]*\n)
       | ([:=] | -> | \xE2\x86\x92 | (?<=\s)-(?=\s) | \xE2\x80[\x93\x94] | (?<=answer)>)
       | \b(?:is|was|be|are|becomes|remains|being)\b | 's\b)";

constexpr const char* kChoose =
    R"(\b(?:I|we) (?: , [^,.!?\n]{1,30} , )? (?: '(?:d|ll|m|ve|re) | \s+(?:would|will|am|have|must|should|can|shall|had|do|are) )*
       (?:\s+(?:therefore|thus|also|to|then|still|confidently|definitely|probably|ultimately|personally|going|be|hence
              |rather|now|hereby|strongly|firmly|finally))*
       \s+(?:choose|chose|chosen|choosing|pick(?:ed|ing)?|select(?:ed|ing)?|go(?:ing)?\s+(?:with|for)|went\s+with
            |opt(?:ed|ing)?\s+for|settled?\s+on|vote(?:\s+for)?|lean(?:ing)?\s+towards?|say|guess|answer|conclude|think|believe|take|prefer
            |bet\s+on|stick(?:ing)?\s+with|switch(?:ed|ing)?\s+to|chang(?:e|ed|ing)\s+(?:(?:my\s+)?(?:answer|choice|mind)\s+)?(?:from\s+\S{1,12}\s+)?to)\b
       | (?: \A | (?<=[\n.!?:;,*]) | (?<=[\n.!?:;,*]\s) | (?<=\bso\s) | (?<=\btherefore\s) )
         (?:choose|choosing|pick|select|selecting|go(?:ing)?\s+with|mark|chang(?:ed|ing)\s+my\s+(?:answer|choice)\s+(?:from\s+\S{1,12}\s+)?to)\b)";

constexpr const char* kItIs =
    R"(\b(?: it's | it\s+(?:is|was|must\s+be|has\s+to\s+be|should\s+be|would\s+be|can\s+only\s+be)
         | (?:that\s+)?leav(?:es|ing)(?:\s+(?:us|me))?(?:\s+(?:only|with))* )(?=\W))";

constexpr const char* kTherefore =
    R"((?: \A | (?<=[\n.!?;,:]) | (?<=[\n.!?;,:]\s) )
       (?:therefore|thus|hence|so|consequently|in\s+conclusion|overall|in\s+summary|ultimately|finally|to\s+conclude
                |actually|correction|i\s+mean|on\s+balance)\b
       | \\(?:boxed|fbox)(?=\{) )";

struct Anchors {
  static Pattern make(const std::string& regex) { return Pattern(regex, Pattern::Text::kBytes, true, true); }

  Pattern head = make(kHead);
  Pattern copula = make(kCopula);
  Pattern choose = make(kChoose);
  Pattern it_is = make(kItIs);
  Pattern therefore_ = make(kTherefore);
  Pattern header_line = make(R"((?:\A|\n)[\s*_\#>(\d.]*(?:(?:the|my|final|correct|best)\s+)*\z)");
  Pattern markup = make(R"([*_"'`)\s]*\z)");
  Pattern denial = make(R"(\b(?:not|never|cannot)\b|n't\b)");
  // Between "answer" and "is": what makes it no statement of this answer.
  Pattern unsure = make(R"(\b(?:could|may|might|can)\s*(?:\w+\s+)?\z | ^\s+to\s*\z
                           | \bto\s+(?:another|an?\s+\w+|the\s+(?:last|previous|next|other|first|second|third|preceding))\b)");
  Pattern supposed = make(R"(\bfor\s+(?:the\s+|an?\s+)?(?:\w+\s+)?\z)");
  Pattern wrong = make(R"(\b(?:incorrect|wrong|worst|false|invalid|least|less)\b)");
  Pattern bad = make(
      R"(\b(?:bad|poor|terrible|unsuitable|unlikely|improper|inappropriate|weak|worse|weakest|poorest)\s+(?:\w+\s+)?\z)");
  Pattern also = make(R"(\balso\b)");
  Pattern too = make(R"(\s*,?\s+(?:too|as\s+well|also|likewise)\b)");
  Pattern conditional = make(R"(\A[\s\W]*(?:if|for|when|in\s+case|assuming|given)\b)");
  Pattern verdict = make(std::string(R"([*_"'`)\]}.:]* ,? \s+ )") + kFirmVerdict);
  Pattern is_it = make(R"([*_"'`)\]}]* \s+ (?:is|does|was) (?= \s*[.,;!] | \s*\z ))");
  Pattern condition = make(R"(\s+(?:if|only\s+if|when|were)\b)");
  Pattern denied_before = make(R"(\b(?:not|neither|nor|wrong|incorrect)\b|n't\b)");
};

const Anchors& anchors() {
  static const Anchors made;
  return made;
}

struct Gap {
  explicit Gap(char last)
      : label(
            with_letters(
                R"((?<![A-Za-z0-9'])({L})(?![A-Za-z0-9'-])|(?<=[Oo]ption |[Cc]hoice )({l})(?![A-Za-z0-9'-]))",
                last),
            Pattern::Text::kBytes) {}
  Pattern label;  // group 1 or 2
};

// Of anything that a reply says very often, the last 200 times count: later statements take back earlier
// ones, and what a reply costs is bounded.
constexpr std::size_t kMost = 200;

std::deque<Match> last_matches(const Pattern& pattern, std::string_view text) {
  std::deque<Match> last;
  std::size_t from = 0;
  while (auto match = pattern.search(text, from)) {
    from = std::max((*match)[0]->end, from + 1);
    last.push_back(std::move(*match));
    if (last.size() > kMost) last.pop_front();
  }
  return last;
}

// The next words at or after `from` that take everything back and do not come to the same result again.
std::optional<Span> retraction_after(const Reply& reply, std::size_t from) {
  const Pattern& label = for_letters<Gap>(reply.count).label;
  while (const auto words = next_retraction(reply.text, from)) {
    from = std::max(words->end, from + 1);
    if (reply.quoted(words->begin, words->end)) continue;
    const auto confirmed = confirmed_after(reply.text, words->end);
    if (!confirmed || label.search(reply.text.substr(words->end, *confirmed - words->end))) {
      return Span{words->begin, from};
    }
  }
  return std::nullopt;
}

// The letter that stands right after words that take something back: "No, wait: C".
Reading read_correction(const Reply& reply, std::size_t at) {
  const Reading instead = read_statement(reply, at, Reach::kBare);
  if (!instead.chosen() || !asserted(reply.text, {at, std::max(at, instead.span.end)})) return {};
  return instead;
}

class Finder {
 public:
  explicit Finder(const Reply& reply) : reply_(reply) {}

  Statements run() {
    heads();
    chosen(anchors().choose, Reach::kFull, "i_choose");
    chosen(anchors().it_is, Reach::kBare, "it_is");
    chosen(anchors().therefore_, Reach::kBare, "conclusion");
    verdicts();
    denials();
    sort();
    retractions();
    sort();
    return std::move(found_);
  }

 private:
  // The farthest that "is" may stand from "answer", in bytes.
  static constexpr std::size_t kReach = 120;

  void sort() { std::ranges::stable_sort(found_.list, {}, &Statement::place); }

  // Notes what is stated by the words that begin at `anchor`; `end`: of the last of them, where that is not
  // the reading's own end.
  bool add(const Reading& reading, std::size_t anchor, const char* rule, std::size_t end = 0) {
    if (reading.kind == Reading::Kind::kNothing) return false;
    end = std::max({end, reading.span.end, anchor});
    if (reading.kind == Reading::Kind::kLetter) {
      end = std::max(end, own_text_after(reply_, reading.letter, reading.span.end).value_or(0));
    }
    if (reading.kind != Reading::Kind::kDenied && !asserted(outside_quote(end), {anchor, end})) {
      if (reading.chosen()) found_.unsure |= std::uint32_t{1} << (reading.letter - 'A');
      return false;
    }
    const std::size_t from = sentence_begin(reply_.text, anchor);
    const bool conditional =
        anchors().conditional.search(reply_.text.substr(from, anchor - from)).has_value();
    found_.list.push_back({std::max(reading.span.begin, anchor), reading, rule, end, conditional, false});
    return true;
  }

  // The response up to the end of the sentence at `at`, where that is the end of a quoted option: "What is
  // it?" as an option's text asks nothing.
  std::string_view outside_quote(std::size_t at) const {
    const std::size_t end = sentence_end(reply_.text, at);
    return reply_.quoted(end, end + 1) ? reply_.text.substr(0, end) : reply_.text;
  }

  void heads() {
    for (const Match& head : last_matches(anchors().head, reply_.text)) {
      const Span span = *head[0];
      if (head[1]) continue;
      const std::string_view words = reply_.text.substr(span.begin, span.size());
      read_head(span, anchors().wrong.search(words) || anchors().bad.search(before(span.begin)));
    }
  }

  // Whether the words between "answer" and "is" make it another question's answer, or only a possible one.
  bool unsure(Span head, std::string_view gap, std::string_view is) const {
    if (is == "be" && anchors().supposed.search(before(head.begin))) return true;
    if (says_whose(gap)) return true;
    const auto found = anchors().unsure.search(gap);
    return found && (is == "be" || (*found)[0]->size() > 4);
  }

  std::string_view before(std::size_t at) const {
    const std::size_t begin = at > 60 ? at - 60 : 0;
    return reply_.text.substr(begin, at - begin);
  }

  // Reads on from "answer": at its "is" or ":", or at a later one of the same sentence.
  void read_head(Span head, bool wrong) {
    std::size_t from = head.end;
    for (int copulas = 0; copulas < 4 && from < head.end + kReach; ++copulas) {
      const auto copula = anchors().copula.search(
          reply_.text.substr(0, std::min(reply_.text.size(), head.end + kReach)), from);
      if (!copula) return;
      const Span is = *(*copula)[0];
      const std::string_view gap = reply_.text.substr(head.end, is.begin - head.end);
      if (gap.find_first_of(".?!;\n") != std::string_view::npos) return;
      if (for_letters<Gap>(reply_.count).label.search(gap)) return;
      if (unsure(head, gap, reply_.text.substr(is.begin, is.size()))) return;
      from = is.end;
      if (reply_.quoted(head.begin, is.end)) continue;
      const bool adjacent = anchors().markup.match_at(gap, 0).has_value();
      const bool line = (*copula)[2].has_value();
      if (line && !(adjacent && begins_line(head.begin))) return;
      const bool header = adjacent && !wrong && (line || (*copula)[3].has_value()) &&
                          asserted(reply_.text, {head.begin, is.end});
      if (header) found_.header = is.end;
      const bool denied = (*copula)[1].has_value() || anchors().denial.search(gap).has_value();
      Reading reading = denied ? read_denial(reply_, is.end) : read_statement(reply_, is.end, Reach::kFull);
      if (wrong && reading.chosen()) reading.kind = Reading::Kind::kDenied;
      if (reading.kind == Reading::Kind::kNothing) continue;
      if (!wrong || reading.kind == Reading::Kind::kDenied) {
        add(reading, head.begin, header ? "header" : "answer_is");
      }
      return;
    }
  }

  bool begins_line(std::size_t at) const {
    return anchors().header_line.search(before(at)).has_value() ||
           reply_.text.substr(0, at).find_first_not_of(" *_#") == std::string_view::npos;
  }

  void chosen(const Pattern& anchor, Reach reach, const char* rule) {
    for (const Match& match : last_matches(anchor, reply_.text)) {
      const Span span = *match[0];
      if (reply_.quoted(span.begin, span.end) || doubted(reply_.text, span.begin)) continue;
      const Reading reading = read_statement(reply_, span.end, reach);
      // "So A, B and C are too small" sums nothing up; "\boxed{A, B}" does.
      if (reading.kind == Reading::Kind::kAmbiguous && rule == std::string_view("conclusion") &&
          reply_.text[span.begin] != '\\') {
        continue;
      }
      const bool supposed = reading.chosen() && anchors().condition.match_at(
                                                    reply_.text, skip_closing(reply_.text, reading.span.end));
      if (!supposed) add(reading, span.begin, rule);
    }
  }

  void verdicts() {
    std::deque<std::pair<Reading, std::size_t>> last;  // and where the verdict ends
    const auto note = [&](Reading reading, std::size_t end) {
      last.emplace_back(reading, end);
      if (last.size() > kMost) last.pop_front();
    };
    const Pattern& label = for_letters<Gap>(reply_.count).label;
    std::size_t from = 0;
    while (const auto match = label.search(reply_.text, from)) {
      const Span span = *(*match)[(*match)[1] ? 1 : 2];
      from = span.end;
      const auto firm = anchors().verdict.match_at(reply_.text, span.end);
      if (!firm && !anchors().is_it.match_at(reply_.text, span.end)) continue;
      if (reply_.quoted(span.begin, span.end + 1)) continue;
      note({Reading::Kind::kLetter, letter_of(reply_, span), span}, firm ? (*firm)[0]->end : span.end);
    }
    for (const Quote& quote : reply_.quotes) {
      if (!std::has_single_bit(quote.options)) continue;
      const auto firm = anchors().verdict.match_at(reply_.text, quote.span.end);
      if (!firm) continue;
      note({Reading::Kind::kText, static_cast<char>('A' + std::countr_zero(quote.options)), quote.span},
           (*firm)[0]->end);
    }
    for (const auto& [reading, end] : last) verdict(reading, end);
  }

  // "C is not right, B is."
  bool after_denial(std::size_t at) const {
    const std::size_t begin = sentence_begin(reply_.text, at);
    return anchors().denied_before.search(reply_.text.substr(begin, at - begin)).has_value();
  }

  void verdict(const Reading& reading, std::size_t end) {
    const bool is_it = end == reading.span.end;
    if (is_it && !after_denial(reading.span.begin)) return;
    if (!is_it && (anchors().too.match_at(reply_.text, end) ||
                   anchors().also.search(reply_.text.substr(reading.span.end, end - reading.span.end)))) {
      add({Reading::Kind::kAmbiguous, 0, {reading.span.begin, end}}, reading.span.begin, "");
      return;
    }
    if (is_it || !doubted(reply_.text, reading.span.begin)) {
      add(reading, reading.span.begin, "is_the_answer", end);
    } else {
      found_.unsure |= std::uint32_t{1} << (reading.letter - 'A');
    }
  }

  // "C is wrong", of an option that is chosen elsewhere.
  void denials() {
    std::uint32_t chosen = 0;
    for (const Statement& s : found_.list) {
      if (s.reading.chosen()) chosen |= std::uint32_t{1} << (s.reading.letter - 'A');
    }
    if (chosen == 0) return;
    const Pattern& label = for_letters<Gap>(reply_.count).label;
    std::deque<Span> last;
    std::size_t from = 0;
    while (const auto match = label.search(reply_.text, from)) {
      const Span span = *(*match)[(*match)[1] ? 1 : 2];
      from = span.end;
      if (!is_denied(reply_, span)) continue;
      last.push_back(span);
      if (last.size() > kMost) last.pop_front();
    }
    for (const Span span : last) {
      const char letter = letter_of(reply_, span);
      if ((chosen >> (letter - 'A') & 1) == 0 || reply_.quoted(span.begin, span.end + 1)) continue;
      if (!doubted(reply_.text, span.begin)) {
        found_.list.push_back({span.begin, {Reading::Kind::kDenied, letter, span}, "", span.end});
      }
    }
  }

  void retractions() {
    std::vector<Statement> taken_back;
    const auto note = [&](std::size_t place, std::size_t end) {
      taken_back.push_back({place, {}, "", end, false, true});
      if (const Reading instead = read_correction(reply_, end); instead.chosen()) {
        taken_back.push_back({instead.span.begin, instead, "correction", instead.span.end});
      }
    };
    for (const Statement& s : found_.list) {
      if (!s.reading.chosen()) continue;
      if (const auto end = taken_back_at(reply_.text, s.end)) note(*end - 1, *end);
    }
    std::deque<std::size_t> last;  // where the last retractions begin
    for (auto words = next_retraction(reply_.text, 0); words;
         words = next_retraction(reply_.text, words->end)) {
      last.push_back(words->begin);
      if (last.size() > kMost) last.pop_front();
    }
    const std::size_t first = last.empty() ? reply_.text.size() : last.front();
    for (auto words = retraction_after(reply_, first); words; words = retraction_after(reply_, words->end)) {
      note(words->begin, words->end);
    }
    found_.list.insert(found_.list.end(), taken_back.begin(), taken_back.end());
  }

  const Reply& reply_;
  Statements found_;
};

}  // namespace

std::optional<Reading> correction_of(const Reply& reply, const Reading& reading) {
  const std::size_t label_end = reading.span.end;
  const std::size_t end = reading.kind == Reading::Kind::kLetter
                              ? own_text_after(reply, reading.letter, label_end).value_or(label_end)
                              : label_end;
  const std::size_t sentence = std::min(reply.text.size(), sentence_end(reply.text, end) + 1);
  std::optional<std::size_t> words;
  for (const std::size_t at : {end, sentence}) {
    if (!words) words = taken_back_at(reply.text, at);
  }
  if (!words) {
    const auto later = retraction_after(reply, end);
    if (!later) return std::nullopt;
    words = later->end;
  }
  return read_correction(reply, *words);
}

Statements find_statements(const Reply& reply) { return Finder(reply).run(); }

}  // namespace refocus
