#include "eval/extract/label_patterns.h"

#include "eval/extract/answer_label.h"

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
    R"(| makes\s+the\s+most\s+sense | answers\s+the\s+question | stands\s+out)"
    R"(| (?:remains|is\s+left|is\s+the\s+only\s+(?:one\s+)?(?:left|remaining)) (?= \s*[.,;!)] | \s*\z )) \b)"
    R"((?! \s+(?:if|only\ if|in\ that|insofar|about|to\ say|in\ saying|in\ some|up\ to|as\ far|but|for\ some)\b)"
    R"(| ,\s+but\b))";

namespace {

// The character after a letter that stands alone: no word, no possessive, no subscript, no prime in a
// formula, no hyphenated or dotted name.
constexpr const char* kAlone =
    R"((?! [A-Za-z0-9] | _+[A-Za-z0-9{] | ['`][A-Za-z] | (?<=[{$].|[{$]\ .)\}?['`]+\s*[}$] | -[A-Za-z0-9] | \.[A-Za-z]\. | [\x80-\xE1\xE4-\xEE\xF0-\xFF]
           | \xE3[\x81-\xBF] | [+\#^] ))";
constexpr const char* kClosing = R"((?: [*_"'`)\]}$\\] | </\w+> )*)";

std::string fill(std::string regex, char last) {
  for (const auto& [mark, text] :
       {std::pair{"{ALONE}", kAlone}, {"{CLOSE}", kClosing}, {"{VERDICT}", kVerdict}}) {
    for (auto at = regex.find(mark); at != std::string::npos; at = regex.find(mark)) {
      regex.replace(at, std::string_view(mark).size(), text);
    }
  }
  return with_letters(regex, last);
}

Pattern make(const char* regex, bool ignore_case, char last = 'A') {
  return Pattern(fill(regex, last), Pattern::Text::kBytes, ignore_case, true);
}

Pattern blind(const char* regex) { return make(regex, true); }

}  // namespace

LabelPatterns::LabelPatterns(char last)
    : label(make(R"(({L}) {ALONE})", false, last)),
      bracketed(make(R"([(\[{] \s* ({l}) \s* [)\]}])", false, last)),
      small(make(R"(({l}) (?= \) | [*_"'`.,}\]$\\]* [ \t]* (?: \n | \z | </ ) ))", false, last)),
      pointed(make(
          R"((?<=[Oo]ption\s|[Cc]hoice\s|[Ll]etter\s|OPTION\s|CHOICE\s|LETTER\s) ({l}) {ALONE} (?! \s+ (?!is\b|because\b|since\b)[a-z]))",
          false, last)),
      before_text(make(R"(({l}) (?= [*_"'`]* (?: [.:)] | , | \s-\s ) ))", false, last)),
      reasoned(make(R"((?![ai])({l}) (?= \s+ (?:because|since)\b ))", false, last)) {}

TailPatterns::TailPatterns()
    : closing(blind("{CLOSE}")),
      question(blind(R"({CLOSE} [ \t]* \?)")),
      denied(blind(R"({CLOSE} \.? (?:
           \s+ (?:is|was|are|does|do|can|could|would|should|must|has|will|seems|appears)
               (?: n't | (?:\s+(?:clearly|definitely|also|simply|therefore|probably|obviously|certainly|just|be|been|both|all|then))*
                   \s+(?:not|never|neither|incorrect|wrong|false|implausible|unlikely|impossible|improbable|ruled\s+out|out|eliminated|excluded
                       |rejected|dismissed|discarded|hardly|scarcely|barely|almost|nearly|partly|partially|less|too|tempting|invalid|mistaken
                       |an?\s+(?:\w+\s+)?(?:distractor|trap|mistake|error|poor|bad|red\s+herring)|the\s+(?:\w+\s+)?(?:distractor|trap|wrong|incorrect|worst|least))\b )
         | \s* [-:,=(.|)]+ \s* (?:no|nope|not)(?= [.,;!)\]|] | \s*\n | \s*\z )
         | \s+ (?:cannot|can't|won't|fails|fail)\b | \s+makes?\s+(?:no|little)\b
         | \s* (?: [-:,(]|\xE2\x80[\x93\x94] )* \s* (?:(?:this|it|which|that)\s+(?:option\s+|choice\s+|answer\s+)?
               (?:is|was|seems)\s+ (?:(?:clearly|definitely|also|simply|therefore|probably)\s+)* )?
               (?:incorrect|wrong|false|eliminated|rejected|not\s+(?:the\s+|a\s+|in\s+)?(?:correct|right|best|answer|true))\b
         | \s* [-:,(]* \s* (?: \xE2\x9C[\x96-\x98] | \xE2\x9D[\x8C\x8E] ) ) )")),
      verdict(blind(R"({CLOSE} ,? \s+ {VERDICT})")),
      neutral(blind(
          R"({CLOSE} \s+ (?:is|was|are|were|seems|appears|looks|could|might|may|can|would|should|has|does|says|states
                      |refers|suggests|describes|mentions|involves|represents|and(?!\s+(?:\w+\s+)?not\b)|or|vs)\b)")),
      end(blind(
          R"({CLOSE} (?: [ \t]* (?: \z | \n ) | [.,;:!] | [ \t]+ (?: -(?!>|\s*[0-9]) | [(\[] | \xE2\x80[\x93\x94] | \\[)\]] )
                   | [ \t]* \xE2\x9C[\x85\x93\x94] | \xE2\x80[\x93\x94\xA6] ))")),
      reason_after_a(blind(
          R"({CLOSE} \s+ (?:because|since|as|due|which|where|with|in|on|by|from|if|the|this|it|and\s+(?:\w+\s+)?not)\s)")),
      words(blind(R"({CLOSE} \s+ (?:because|since|as|due|which|where|with|in|on|by|from|if|the|this|it|and
                      |given|based|that|so|while|when|though|but|not|rather|instead|according|for|here)\b)")),
      between(blind(R"([\s.:,;)*_"'(\-=] | \xE2\x80[\x93\x94])")),
      brief_end(blind(R"({CLOSE} [ \t]* (?: \z | \n | [,;:!(] | \.(?![0-9]) ))")),
      line_end(blind(R"({CLOSE} [ \t]* (?: \z | \n | [.!](?![0-9]) ))")),
      to_text(blind(R"([ \t*_"'`)]* [.:,)(=-] [ \t*_"'`(]*)")),
      initials(make(R"(\. [ ]? (?:[A-Z]\. [ ]?)+ [A-Z][a-z])", false)),
      species(make(
          R"([.:] [ ] (?!(?:it|this|that|the|because|since|as|so|they|he|she|we|you|a|an|in|and|but|or|all|none|no|yes|correct|right|if|not
                    |option|answer|therefore|there|here|i|my|for)\b) (?: ([a-z]+) (?= \s*[.,;:!)] | \s*\z | \s+(?:because|since|is|was|are|and|or)\b ) | ([a-z]{3,}(?:um|us|ii|ans|oides|ensis|alis|aris)) \b ))",
          false)),
      surname(make(
          R"(\. [ ] (?!(?:This|That|These|Those|The|It|So|Thus|Hence|Therefore|However|Option|Choice|In|An|But|As|Here|There|If|We|They|Because|Since|And|All|Other|For|Both|Only|Not|No|Done|Correct|Yes|Thanks|Final|Right|True|Good|Great|End|Explanation|Reason|Next|Okay|OK)\b) ([A-Z][a-z]+) [.!]? \s* \z)",
          false)),
      speaker(make(R"(: [ \t]* [*(]* [A-Z] [*).]* [ \t]* (?: \n | \z ))", false)),
      all_denied(blind(
          R"({CLOSE} \s+ (?:all\s+|both\s+)? (?:are|were|can|could|do|have|must|should|would|being) (?:n't | \s+ (?:\w+\s+){0,3}?
           (?:not|wrong|incorrect|false|out|eliminated|excluded|discarded|rejected|dismissed|ruled\s+out|implausible|unlikely|impossible|other)\b))")),
      letter_after_text(blind(R"(\.? \s* \( (?:option\s+|choice\s+)? ([A-Z]) \) )")),
      name(blind(
          R"((?: \b(?:vitamin|hepatitis|influenza|type|group|plan|class|appendix|protein|factor|point|figure|grade|phase|stage
                |country|person|player|company|firm|party|good|variable|event|set|section|part|vector|matrix|gene|allele|side
                |exhibit|schedule|serie|series|level|line|angle|segment|team|vessel|container|tube|beaker|box|room|city|planet|star
                |sample|patient|subject|student|employee|state|region|area|zone|block|object|particle|wire|circuit|node|vertex
                |chapter|table|column|row|key|major|minor|degrees?|mr\.?|mrs\.?|ms\.?|dr\.?|st\.?|malcolm|kenny|louis)s?\s+
              | [0-9]\s | \xC2\xB0\s? ) [*_("'`]* \z)")),
      denial(
          blind(R"((?:(?:definitely|clearly|probably|certainly)\s+)? (?:not|neither|never|cannot\s+be)\b)")),
      but(blind(R"([^.!?\n]{0,100}? \b(?:but|rather|instead)\b)")),
      markup(blind(
          R"(\s | [*_"'`\#>$~({\[=:,] | -(?![A-Za-z0-9]) | \xE2\x80[\x93-\x97\xA2\xA6] | \xE2\x86\x92 | \xE2\x9C[\x85\x93\x94]
         | \\(?:boxed|fbox)\b\s*\{? | \\[(\[] | <\w+> | \.\.\. )")),
      bare_filler(blind(
          R"((?:the|option|choice|letter|answer|indeed|definitely|clearly|therefore|thus|probably|likely|labell?ed|number
            |then|hence|be)\b)")),
      filler(blind(
          R"((?:the|correct|right|best|final|most|accurate|appropriate|suitable|plausible|likely|logical|closest|single
            |answer|choice|option|letter|response|statement|alternative|one|labell?ed|marked|first|second|third|fourth|last|number|given|by|as|follows
            |is|are|be|was|would|should|must|will|has|to|that|it|it's|its|this|clearly|definitely|probably|therefore
            |thus|indeed|simply|in|fact|actually|obviously|certainly|undoubtedly|hence|then|still|my|our|we|i|think
            |believe|choose|select|pick|go|going|with|say|of|course|none\s+other\s+than|so|being|following|both|either|sure
            |based|on|analysis|above|information|given|reasoning|all|things|considered)\b)")) {}

const TailPatterns& tail() {
  static const TailPatterns patterns;
  return patterns;
}

}  // namespace refocus
