#include "eval/extract/answer_statements.h"

#include <algorithm>
#include <bit>
#include <string>

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
       (?: \b(?:answer|choice)\b
         | (?: \A | (?<=[\n.!?:;*\#>"(\[\x80-\xBF-]) | (?<=[\n.!?:;*\#>"(\[\x80-\xBF-]\s) )
           (?:response|verdict|solution|decision|selection|conclusion)\b
         | \b)" REFOCUS_QUALIFIER
    R"(\s+(?:response|option|one|statement|alternative|solution|letter|selection|decision|pick|candidate|match|fit
                 |explanation|description|definition|interpretation|conclusion)\b
         | \b(?:option|statement|one|alternative)\s+(?:that|which)\s+(?:is\s+)?(?:the\s+)?
           (?:best|correctly|most|correct|right)\b ))";

// Group 1: with a denial; group 2: the end of a header's line; group 3: a colon or sign.
constexpr const char* kCopula =
    R"(\b(?:is|was|are)(n't|n\xE2\x80\x99t) \b
       | ([*_\#]*[ \t]*\r?\n)
       | ([:=] | -> | \xE2\x86\x92 | \xEF\xBC\x9A | (?<=\s)-(?=\s) | \xE2\x80[\x93\x94] | (?<=answer)>)
       | \b(?:is|was|be|are|becomes|remains|being)\b | (?:'|\xE2\x80\x99)s\b)";

constexpr const char* kChoose =
    R"(\b(?:I|we) (?: (?:'|\xE2\x80\x99)(?:d|ll|m|ve|re) | \s+(?:would|will|am|have|must|should|can|shall|had|do|are) )*
       (?:\s+(?:therefore|thus|also|to|then|still|confidently|definitely|probably|ultimately|personally|going|be|hence
              |rather|now|hereby|strongly|firmly))*
       \s+(?:choose|chose|chosen|choosing|pick(?:ed|ing)?|select(?:ed|ing)?|go(?:ing)?\s+with|went\s+with
            |opt(?:ed|ing)?\s+for|settled?\s+on|vote\s+for|lean(?:ing)?\s+towards?|say|guess|answer|conclude|think|believe
            |bet\s+on|stick(?:ing)?\s+with|changed?\s+(?:my\s+answer\s+)?to)\b
       | (?: \A | (?<=[\n.!?:;,*]) | (?<=[\n.!?:;,*]\s) | (?<=\bso\s) | (?<=\btherefore\s) )
         (?:choose|choosing|pick|select|go(?:ing)?\s+with|mark)\b)";

constexpr const char* kItIs =
    R"(\b(?: it(?:'|\xE2\x80\x99)s | it\s+(?:is|was|must\s+be|has\s+to\s+be|should\s+be|would\s+be|can\s+only\s+be)
         | (?:that\s+)?leav(?:es|ing)(?:\s+(?:us|me))?(?:\s+(?:only|with))* )(?=\W))";

constexpr const char* kTherefore =
    R"((?: \A | (?<=[\n.!?;,:]) | (?<=[\n.!?;,:]\s) )
       (?:therefore|thus|hence|so|consequently|in\s+conclusion|overall|in\s+summary|ultimately|finally|to\s+conclude
                |actually|correction|i\s+mean|on\s+balance)\b
       | \\boxed(?=\{) )";

struct Anchors {
  static Pattern make(const std::string& regex) { return Pattern(regex, Pattern::Text::kBytes, true, true); }

  Pattern head = make(kHead);
  Pattern copula = make(kCopula);
  Pattern choose = make(kChoose);
  Pattern it_is = make(kItIs);
  Pattern therefore_ = make(kTherefore);
  Pattern header_line = make(R"((?:\A|\n)[\s*_\#>(\d.]*(?:(?:the|my|final|correct|best)\s+)*\z)");
  Pattern markup = make(R"([*_"'`)\s]*\z)");
  Pattern denial = make(R"(\b(?:not|never|cannot)\b|n't\b|n\xE2\x80\x99t\b)");
  Pattern condition = make(R"(\s+(?:if|only\s+if|when|were)\b)");
  Pattern doubt = make(
      R"((?: \b(?:not|nor|neither|never|if|whether|unless|cannot|although|while)\b | n't\b | n\xE2\x80\x99t\b ) [^,;:.!?\n]{0,40}\z)");
  Pattern verdict = make(std::string(R"([*_"'`)\]}.:]* ,? \s+ )") + kFirmVerdict);
};

const Anchors& anchors() {
  static const Anchors made;
  return made;
}

struct Gap {
  explicit Gap(char last)
      : label(with_letters(R"((?<![A-Za-z0-9'])({L})(?![A-Za-z0-9'-]))", last), Pattern::Text::kBytes) {}
  Pattern label;
};

class Finder {
 public:
  explicit Finder(const Reply& reply) : reply_(reply) {}

  Statements run() {
    heads();
    chosen(anchors().choose, Reach::kFull, "i_choose");
    chosen(anchors().it_is, Reach::kBare, "it_is");
    chosen(anchors().therefore_, Reach::kBare, "conclusion");
    verdicts();
    std::ranges::stable_sort(found_.list, {}, &Statement::place);
    return std::move(found_);
  }

 private:
  // The farthest that "is" may stand from "answer", in bytes.
  static constexpr std::size_t kReach = 120;

  void add(const Reading& reading, std::size_t anchor, const char* rule) {
    if (reading.chosen()) {
      found_.list.push_back({reading.span.begin, reading, rule});
    } else if (reading.kind == Reading::Kind::kDenied) {
      found_.list.push_back({anchor, reading, rule});
    }
  }

  void heads() {
    std::size_t from = 0;
    while (const auto head = anchors().head.search(reply_.text, from)) {
      const Span span = *(*head)[0];
      from = span.end;
      if ((*head)[1]) continue;
      read_head(span, (*head)[2].has_value());
    }
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
      from = is.end;
      if (reply_.quoted(head.begin, is.end)) continue;
      const bool adjacent = anchors().markup.match_at(gap, 0).has_value();
      const bool line = (*copula)[2].has_value();
      if (line && !(adjacent && begins_line(head.begin))) return;
      const bool header = adjacent && !wrong && (line || (*copula)[3].has_value());
      if (header) found_.header = is.end;
      const bool denied = (*copula)[1].has_value() || anchors().denial.search(gap).has_value();
      Reading reading = denied ? read_denial(reply_, is.end) : read_statement(reply_, is.end, Reach::kFull);
      if (wrong && reading.chosen()) reading.kind = Reading::Kind::kDenied;
      if (reading.kind == Reading::Kind::kNothing) continue;
      add(reading, head.begin, header ? "header" : "answer_is");
      return;
    }
  }

  bool begins_line(std::size_t at) const {
    const std::size_t begin = at > 60 ? at - 60 : 0;
    return anchors().header_line.search(reply_.text.substr(begin, at - begin)).has_value() ||
           reply_.text.substr(0, at).find_first_not_of(" *_#") == std::string_view::npos;
  }

  void chosen(const Pattern& anchor, Reach reach, const char* rule) {
    std::size_t from = 0;
    while (const auto match = anchor.search(reply_.text, from)) {
      const Span span = *(*match)[0];
      from = std::max(span.end, from + 1);
      if (reply_.quoted(span.begin, span.end) || doubted(reply_.text, span.begin)) continue;
      const Reading reading = read_statement(reply_, span.end, reach);
      const bool supposed = reading.chosen() && anchors().condition.match_at(
                                                    reply_.text, skip_closing(reply_.text, reading.span.end));
      if (!supposed) add(reading, span.begin, rule);
    }
  }

  void verdicts() {
    const Pattern& label = for_letters<Gap>(reply_.count).label;
    std::size_t from = 0;
    while (const auto match = label.search(reply_.text, from)) {
      const Span span = *(*match)[1];
      from = span.end;
      if (!anchors().verdict.match_at(reply_.text, span.end) || reply_.quoted(span.begin, span.end + 1))
        continue;
      verdict({Reading::Kind::kLetter, reply_.text[span.begin], span});
    }
    for (const Quote& quote : reply_.quotes) {
      if (!std::has_single_bit(quote.options) || !anchors().verdict.match_at(reply_.text, quote.span.end))
        continue;
      verdict({Reading::Kind::kText, static_cast<char>('A' + std::countr_zero(quote.options)), quote.span});
    }
  }

  void verdict(const Reading& reading) {
    if (!doubted(reply_.text, reading.span.begin)) add(reading, reading.span.begin, "is_the_answer");
  }

  const Reply& reply_;
  Statements found_;
};

}  // namespace

bool doubted(std::string_view text, std::size_t at) {
  const std::size_t begin = at > 80 ? at - 80 : 0;
  return anchors().doubt.search(text.substr(begin, at - begin)).has_value();
}

Statements find_statements(const Reply& reply) { return Finder(reply).run(); }

}  // namespace refocus
