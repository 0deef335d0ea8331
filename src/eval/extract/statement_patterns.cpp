#include "eval/extract/statement_patterns.h"

#include <string>

#include "eval/extract/answer_label.h"

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

Pattern phrase(const std::string& regex) { return Pattern(regex, Pattern::Text::kBytes, true, true); }

}  // namespace

StatementPatterns::StatementPatterns()
    : head(phrase(kHead)),
      copula(phrase(kCopula)),
      choose(phrase(kChoose)),
      it_is(phrase(kItIs)),
      therefore_(phrase(kTherefore)),
      header_line(phrase(R"((?:\A|\n)[\s*_\#>(\d.]*(?:(?:the|my|final|correct|best)\s+)*\z)")),
      markup(phrase(R"([*_"'`)\s]*\z)")),
      denial(phrase(R"(\b(?:not|never|cannot)\b|n't\b)")),
      unsure(phrase(R"(\b(?:could|may|might|can)\s*(?:\w+\s+)?\z | ^\s+to\s*\z
                           | \bto\s+(?:another|an?\s+\w+|the\s+(?:last|previous|next|other|first|second|third|preceding))\b)")),
      supposed(phrase(R"(\bfor\s+(?:the\s+|an?\s+)?(?:\w+\s+)?\z)")),
      wrong(phrase(R"(\b(?:incorrect|wrong|worst|false|invalid|least|less)\b)")),
      bad(phrase(
          R"(\b(?:bad|poor|terrible|unsuitable|unlikely|improper|inappropriate|weak|worse|weakest|poorest)\s+(?:\w+\s+)?\z)")),
      also(phrase(R"(\balso\b)")),
      too(phrase(R"(\s*,?\s+(?:too|as\s+well|also|likewise)\b)")),
      conditional(phrase(R"(\A[\s\W]*(?:if|for|when|in\s+case|assuming|given)\b)")),
      condition(phrase(R"(\s+(?:if|only\s+if|when|were)\b)")),
      verdict(phrase(std::string(R"([*_"'`)\]}.:]* ,? \s+ )") + kFirmVerdict)),
      is_it(phrase(R"([*_"'`)\]}]* \s+ (?:is|does|was) (?= \s*[.,;!] | \s*\z ))")),
      contrast(phrase(
          R"(\b(?:not|no|nor|neither|than|over|wrong|incorrect|unlike|against|beats|except|and|or|because|since|as|if|with|from|between|in|of|for|to|is|was|are|would|could|might|may|my|his|her|choos\w*|chose|think\w*|say\w*|said|believ\w*|answer\w*|pick\w*)\b|n't\b|[?=%])")),
      denied_before(phrase(R"(\b(?:not|neither|nor|wrong|incorrect)\b|n't\b)")) {}

const StatementPatterns& anchors() {
  static const StatementPatterns made;
  return made;
}

LetterPlaces::LetterPlaces(char last)
    : label(with_letters(
                R"((?<![A-Za-z0-9'])({L})(?![A-Za-z0-9'-])|(?<=[Oo]ption |[Cc]hoice )({l})(?![A-Za-z0-9'-]))",
                last),
            Pattern::Text::kBytes),
      afterthought(
          with_letters(
              R"([*_"'`)\]}$]* [.,;:!]* [ \t]* (?:\xE2\x80[\x93\x94\xA6])? \s? [^.!?\n]{0,40}? (?<![A-Za-z0-9_'-]) [*_("'`]* (?-i:({L})) [*_"'`)\]}$]* [.!]? [ \t]* (?=\n|\z))",
              last),
          Pattern::Text::kBytes, true, true) {}

}  // namespace refocus
