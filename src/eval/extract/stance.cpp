#include "eval/extract/stance.h"

#include <algorithm>
#include <string>

namespace refocus {

namespace {

// People and books that have answers of their own.
#define REFOCUS_PERSON                                                                                                                                                    \
  R"((?:friends?|colleagues?|co-?workers?|teachers?|professors?|instructors?|tutors?|lecturers?|brothers?|)"                                                              \
  R"(sisters?|mothers?|fathers?|mom|mum|dad|uncle|aunt|cousin|wife|husband|neighbou?rs?|boss|classmates?|)"                                                               \
  R"(roommates?|partner|authors?|writers?|lawyers?|students?|pupils?|learners?|beginners?|novices?|amateurs?|readers?|experts?|critics?|)"                                \
  R"(scholars?|guessers?|test-?takers?|examiners?|candidates?|participants?|respondents?|textbooks?|books?|)"                                                             \
  R"(manual|(?:answer|solution|marking)\s+(?:key|sheet|manual)|key(?=\s+(?:says?|said|states?|lists?))|websites?|forums?|blogs?|videos?|internet|wikipedia|google|bing|)" \
  R"(chat-?gpt|gpt\S*|claude|gemini|llama|siri|alexa|bot|ai|(?:another|other|previous|smaller|larger|first|)"                                                             \
  R"(second|reference|weaker|stronger)\s+(?:models?|assistants?|systems?)|user|people|persons?|folks|men|women|)"                                                         \
  R"(kids|children|majority|crowd|public|audience|others))"

// One of them, or somebody unnamed, as the subject right before a verb.
#define REFOCUS_SOMEBODY                                                                                       \
  R"((?:somebody|someone|anybody|anyone|everybody|everyone|whoever|nobody|no\s+one|some|others|another|many|)" \
  R"(most|few|several|he|she|they|the\s+other|those|ones))"

#define REFOCUS_ADVERB                                                                                         \
  R"((?:(?:who|that|which|would|might|could|may|will|do|does|did|have|has|had|often|sometimes|usually|also|)"  \
  R"(always|still|then|even|once|just|typically|generally|probably|mistakenly|wrongly|incorrectly|falsely|)"   \
  R"(commonly|frequently|first|initially|tend\s+to|want\s+to|like\s+to|be\s+tempted\s+to|be\s+inclined\s+to|)" \
  R"(jump\s+to|rush\s+to|seem\s+to|seems\s+to)\s+))"

#define REFOCUS_SAY                                                                                             \
  R"((?:say(?:s|ing)?|said|think(?:s|ing)?|thought|believ(?:e|es|ed|ing)|claim(?:s|ed|ing)?|argu(?:e|es|ed|)"   \
  R"(ing)|suggest(?:s|ed|ing)?|insist(?:s|ed)?|assert(?:s|ed)?|state[sd]?|maintain(?:s|ed)?|contend(?:s|ed)?|)" \
  R"(choos(?:e|es|ing)|chose|chosen|pick(?:s|ed|ing)?|select(?:s|ed|ing)?|answer(?:s|ed|ing)?|)"                \
  R"(go(?:es)?\s+(?:with|for)|went\s+(?:with|for)|opt(?:s|ed)?\s+for|vote[sd]?|guess(?:es|ed)?|assum(?:e|es|)"  \
  R"(ed|ing)|suspect(?:s|ed)?|conclude[sd]?|prefer(?:s|red)?|favou?r(?:s|ed)?|list(?:s|ed)?|mark(?:s|ed)?|)"    \
  R"(wrote|writes?|tells?|told|repl(?:y|ies|ied)|report(?:s|ed)?|leans?|decide[sd]?|recommend(?:s|ed)?|)"       \
  R"(propose[sd]?|swears?|swore|bets?|fell\s+for|falls?\s+for)\b)"

// Says of itself that it is no answer.
#define REFOCUS_WRONG                                                                                          \
  R"((?:wrong|incorrect|mistaken|false|untrue|absurd|nonsense|misguided|untenable|unjustified|impossible|)"    \
  R"(inaccurate|flawed|not\s+(?:really\s+|quite\s+|actually\s+|at\s+all\s+|so\s+|entirely\s+)?(?:so|right|)"   \
  R"(correct|true|it|accurate|possible|good|the\s+(?:right|correct|best|actual|case|answer)|what|convincing|)" \
  R"(valid|supported)|an?\s+(?:\w+\s+)?(?:mistake|error|misconception|lie|myth|trap|distractor|)"              \
  R"(typo|joke|misreading|slip))\b)"

Pattern make(const std::string& regex) { return Pattern(regex, Pattern::Text::kBytes, true, true); }

// What others say, in the words before a statement.
struct Attribution {
  Pattern own_voice = make(
      R"(\b(?:but|however|yet|whereas|instead|therefore|thus|hence|nevertheless|nonetheless|so(?!-)|actually|really
              |while|though|although)\b
         | \b(?:I|we)\s+(?:\w+\s+)?(?:think|believe|say|choose|pick|disagree|conclude|select|answer|maintain|find|am|know)\b
         | [,:]\s*(?:and\s+)?(?:the\s+)?(?:correct|right|real|true|actual|best|final|proper)\s+\z)");
  Pattern others = make(
      R"((?: \b)" REFOCUS_PERSON R"( \b [^.;!?\n]{0,25}? (?<!\w) )" REFOCUS_ADVERB "*" REFOCUS_SAY
      R"(  | (?<![\w'-]) )" REFOCUS_SOMEBODY R"( \b (?:\s+(?:of\s+\w+|all|both))? (?:\s+)" REFOCUS_PERSON
      R"()? \s+ )" REFOCUS_ADVERB "*" REFOCUS_SAY
      R"(  | \b(?:one|you)(?:\s+(?:might|could|may|would)|'d)\s+(?:\w+\s+){0,3}? )" REFOCUS_SAY
      R"(  | \byou(?:'ve|\s+have)?\s+(?:just\s+|first\s+)?(?:said|chose|picked|selected|answered|suggested|thought|claimed|proposed|gave|mentioned)\b
           | \b(?-i:(?!This|That|These|Those|It|The|Which|What|Here|There|We|And|But|So|Then|Now|Option|Choice|Passage|Text|Statement
                     |Question|Analysis|Evidence|Logic|Reasoning|Theory|Law|Rule|Article|Author|Science|Research|Data|History|If)
                [A-Z][a-z]+) \s+ (?:says|said|thinks|thought|believes|believed|chose|chooses|picked|picks|selected|voted
                |answered|claims|claimed|guessed|insists|insisted|argues|argued|opted|went\s+with|goes\s+with|told|replied|wrote)\b
           | \bit(?:'s|\s+(?:is|was|has\s+been|can\s+be|could\s+be|might\s+be|may\s+be))\s+(?:\w+ly\s+|often\s+|sometimes\s+)*
                (?:believed|claimed|said|argued|thought|assumed|asserted|alleged|suggested|supposed|rumou?red|held|tempting)\b
           | \bI(?:'ve|\s+have)?\s+(?:was\s+told|am\s+told|been\s+told|heard|once\s+read|read\s+(?:somewhere|once|that))\b
           | \b(?:tradition|rumou?r|legend|gossip|word)\s+has\s+it
           | \b(?:mistakes?|errors?|pitfalls?|traps?|misconceptions?|fallacy|distractors?|myths?)\s*(?::|\b(?:is|was|would\s+be)\b)
         ) (?:\s*,\s*that\b)? [^,.;!?\n]{0,80} \z
       | (?: \baccording\s+to\s+(?:[^,.;!?\n]{0,30}?\b)" REFOCUS_PERSON R"( \b | (?:some|many|most|others)\b)
           | \b(?:in|by)\s+(?:the\s+)?(?:opinion|view|eyes|words)\s+of\b
           | \bin\s+[^,.;!?\n]{0,20}?\b )" REFOCUS_PERSON R"( (?:'s|s'|')\s+(?:opinion|view|eyes|words)\b
           | \bas\b [^,.;!?\n]{0,40}? \b )" REFOCUS_PERSON R"( \b [^,.;!?\n]{0,20}? )" REFOCUS_SAY R"( \s*,
           | \bif\s+(?:you|we|one)\s+(?:believe|trust|follow|ask|listen\s+to)\s+[^,.;!?\n]{0,20}?\b)" REFOCUS_PERSON
      R"( \b
           | \b(?:hypothetically|for\s+the\s+sake\s+of\s+argument|in\s+a\s+world\s+where)\b | \b(?:last\s+time|previously|in\s+the\s+past|formerly|in\s+the\s+previous\s+question)\b
         ) [^.;!?\n]{0,80} \z)");
  // Whose answer it is, or which: "my teacher's answer", "a common wrong answer".
  Pattern owner =
      make(R"((?: \b)" REFOCUS_PERSON
           R"( (?:'s|s'|') \s+ | \b(?:his|her|their|your|whose|somebody's|someone's|everyone's|others')\s+
            | \b(?-i:(?!Let|It|That|Here|There|Today|What|Question|This)[A-Z][a-z]+)'s \s+
            | \b(?:naive|na\xC3\xAFve|so-called|supposed|alleged|purported|ostensible|tempting|intuitive|popular|knee-jerk|common|usual|initial|original|previous|earlier|former
                 |outdated|mistaken|careless|superficial|hasty|stereotypical|rejected|second-best|frequent
                 |(?:first|last|second)(?=\s+(?:\w+\s+)?(?:answer|choice|guess|thought|instinct|impression)\s+(?:was|had|would\s+have)))\s+
         ) (?:\w+\s+){0,2} (?:answers?|choice|option|guess|response|solution|pick|statement|selection|opinion|view|claim|belief|idea|reaction|instinct|vote)\b
         | \b)" REFOCUS_PERSON R"( (?<=[se]) \s+ )" REFOCUS_ADVERB R"(* answer\b)");
  // Between "answer" and "is": "that most people give", "in the back of the book".
  Pattern by_others =
      make(R"(\b(?:)" REFOCUS_PERSON "|" REFOCUS_SOMEBODY R"(|you) \s+ (?:\w+\s+)? (?: )" REFOCUS_SAY
           R"( | gives?\b | gave\b | wants?\b | expects?\b | usually\b )
         | \b(?:by|in|from|of|according\s+to) \s+ (?:\w+\s+){0,5}? )" REFOCUS_PERSON R"( \b)");
  Pattern past = make(
      R"(\b(?:I|we) (?:\s+(?:was|were)\s+(?:going|tempted|about|inclined)\s+to | \s+(?:had(?!\s+to)|almost|nearly|initially|first|originally
              |previously|once|used\s+to|wrongly|mistakenly)\b | (?:'d|\s+would)\s+have\b(?!\s+to) ))");
};

struct Doubt {
  // Words that look like doubt and are none.
  Pattern exempt = make(
      R"(\bno\s+doubt\b | \b(?:without|beyond)\s+(?:an?\s+|any\s+|all\s+)?(?:\w+\s+)?doubt\b | \bdoubtless(?:ly)?\b
         | \bno\s+question\b | \bnot\s+only\b | \b(?:cannot|can't|can\s+not)\s+(?:be\s+)?(?:doubt(?:ed)?|den(?:y|ied)|help\s+but)\b
         | \b(?:nobody|no\s+one)\s+(?:can|could|would)\s+(?:deny|doubt|dispute)\b | \bno\s+other\s+than\b | \bnothing\s+(?:but|other\s+than)\b | \bnone\s+other\s+than\b
         | \b(?:if|when)\s+(?:I|we|one)\s+(?:had|have|must|were|am|was|are|need|needed)\b(?:\s+to\b)?
         | \b(?:if|when)\s+(?:forced|pressed|pushed|anything|asked|so|not|any)\b | \bif\s+I'm\s+(?:not|right|correct)\b
         | \bas\s+if\b | \bI\s+(?:would\s+|will\s+)?(?:assume|suppose|imagine|guess)\b | \bnot\s+surprising\w*\b | \bwhy\s+not\b
         | \bI\s+(?:do\s+not|don't)\s+(?:know|doubt)\b | \b(?:is|are)\s+not\s+needed\b)");
  Pattern aside = make(
      R"(,\s*(?:however|though|in\s+(?:my\s+)?(?:opinion|view|fact)|I\s+think|of\s+course|honestly|frankly|personally
            |to\s+be\s+honest|therefore|then|indeed|clearly)\s*,)");
  Pattern clause = make(
      R"([,:(\n] | \xE2\x80[\x93\x94] | \b(?:but|so(?!-)|therefore|thus|hence|then|because|since|means|meaning)\b)");
  Pattern doubt = make(
      R"(\bdoubt(?:s|ed|ful|fully|ing)?\b | \b(?:unlikely|improbable|implausible|impossible|inconceivable|absurd|unthinkable|untrue)\b
         | \bno\s+(?:way|reason|evidence|proof|grounds|indication|sign|chance|basis|guarantee|point|case|world)\b
         | \b(?:nothing|nobody|no\s+one|rarely|seldom|hardly|scarcely|barely|never|neither|nor|without|almost|nearly|tempt(?:ed|ing))\b | \bfalse\s+(?:that|to)\b | \b(?:little|small|slim|low|no)\s+(?:chance|reason|evidence|probability|likelihood|hope)\b
         | \bhard\s+to\s+(?:believe|accept|imagine|see)\b
         | \b(?:wrong|incorrect|mistaken|misleading|foolish|silly|premature|rash|risky|naive|error|mistake|wrongly|incorrectly|falsely)
           (?:\s+(?:to|that|for|in)\b | \s+(?:\w+ing)\b)
         | \b(?:disagree|den(?:y|ies|ied)|refus(?:e|ed|es|ing)|reject(?:s|ed|ing)?|declin(?:e|ed|es|ing)|hesitat(?:e|ed|ing)|dismiss(?:ed|ing)?
              |skeptical|sceptical|unsure|uncertain|unclear|unconvinced|wonder(?:ing)?|disput(?:e|ed)|disbelieve|dispro(?:ve[sd]?|ving)|refute[sd]?|contradicts?)\b
         | \b(?:suppos(?:e|ing)|assum(?:e|ing)|imagin(?:e|ing)|pretend(?:ing)?|hypothetically|supposedly|allegedly|purportedly|ostensibly|provided|what\s+if|even\s+if|if|whether
              |unless|in\s+case|as\s+though|in\s+order\s+for)\b | \blet(?:'s|\s+us)\s+say\b | \A\W*say\b | \A\W*(?:(?:were|had|should)\s+(?:the|it)|although|though|while)\b
         | \b(?:claim|idea|notion|belief|suggestion|assumption|myth|possibility|hypothesis|misconception|temptation|impression|argument|theory)\s+(?:that|of)\b
         | \b(?:(?:anything|everything|all|any)\s+(?:but|except)|(?:other|rather)\s+than|instead\s+of|except\s+for|besides|(?:apart|far)\s+from|nowhere\s+near)\b
         | \b(?:avoid|exclud(?:e|es|ed|ing)|eliminat(?:e|es|ed|ing)|discard(?:ed|ing)?|cross(?:ed|ing)?\s+out|except|unable|insufficient|too\s+\w+\s+to)\b
         | \brul(?:e|es|ed|ing)\s+(?:\w+\s+)?out\b | \bfail(?:s|ed)?\s+to\b | \bnot\s+enough\b)");
  // A denied verb of thinking or adjective of certainty governs what follows it, however far.
  Pattern denied_thought = make(
      R"((?: \w+n't | \bcannot | \bnot | \bnever )\s+ (?:\w+\s+){0,3}?
         (?:think|believe|say|agree|see|confirm|conclude|claim|feel|accept|guarantee|prove|suppose|mean|choose|select|pick|follow|support
           |understand|buy|consider|suggest|imply|convinced|persuaded|sure|certain|clear|true|likely|case|possible|obvious|given|correct|right
           |accurate|safe|tell|decide|go|opt|endorse|recommend|vote|bet|be)\b)");
  // Any other denial reaches a few words far.
  Pattern denied = make(R"((?: \b(?:not|cannot|nor|neither)\b | n't\b ) [^,;:.!?\n]{0,40} \z)");
};

struct After {
  Pattern undone = make(
      R"([*_"'`)\]}$\s]* (?:
           \s*[,(:-]*\s* (?:\xE2\x80[\x93\x94]\s*)? (?: (?:which|that|this|it)\s* (?:'s|is|was|would\s+be|seems|turns\s+out|has\s+to\s+be)\s*
                          (?:\w+\s+){0,2}? | (?:but|yet|though|although|however)\s+ | (?<=[(,:-]) | (?<=[(,:-]\s) | (?<=\x93\s) | (?<=\x94\s) )
             )" REFOCUS_WRONG R"(
         | [^.;!?\n]{0,80}? \b(?:but|yet|though|although|however)\s+ (?:it|that|this|I|he|she|they|you)\b
             (?: 's | 're | 'm )? (?:\s+(?:is|was|am|are|were|would\s+be|seems|turns\s+out|to\s+be|clearly|also))* \s+ )" REFOCUS_WRONG
      R"(
         | [^.;!?\n]{0,80}? \b(?:but|yet|though|although|however)\s+ (?:it|that|this|I)\b \s* (?:isn't|wasn't|can't|cannot|doesn't|don't|doubt|disagree)\b
         | \s+(?:is|are|was|were|would\s+be|turns\s+out)\s+(?:\w+\s+){0,2}? )" REFOCUS_WRONG R"(
         | \s*[,(]?\s*(?:or\s+so\s+)?(?:as\s+)?(?:says?|said|claims?|thinks?|believes?|argues?|according\s+to|in\s+the\s+(?:opinion|view|eyes)\s+of)\s+[^,.;!?\n]{0,30}?\b )" REFOCUS_PERSON
      R"( \b
         | \s*,?\s*according\s+to\s+(?:some|many|most|others|him|her|them|[A-Z][a-z]+(?=[.,]|\s*\z))\b
         | \s+(?:until|before)\b | \s+only\s+(?:if|when|in|for|where|under|with|by)\b | \s+(?:had|were)\s+
         | \s*[,.!]?["']\s*,?\s*(?: (?:my|the|our|his|her)\s+\w+ | he | she | they | I'm\s+told | (?-i:[A-Z][a-z]+) )\s+)" REFOCUS_SAY
      R"(
         | \s+(?:is|was)\s+what\s+(?:\w+\s+){0,2}?(?:)" REFOCUS_PERSON "|" REFOCUS_SOMEBODY
      R"()\b | \s+(?:that\s+|which\s+)?(?:most|many|some|few|my|our|his|her|their|the|a)?\s*(?:\w+\s+)?)" REFOCUS_PERSON
      R"(\s+)" REFOCUS_ADVERB "*(?:" REFOCUS_SAY R"(|gives?\b|gave\b|expects?\b)
         | \s+(?:in|of)\s+(?:the|my|our|his|her|their)\s+(?:\w+\s+)?)" REFOCUS_PERSON R"( \b
         | \s+(?:to|for)\s+(?:another|a\s+different|an?\s+(?:easier|similar|earlier|other)|the\s+(?:last|previous|next|other|first|second|third))\b
         | \s*,?\s*(?:only\s+)?(?:if|unless|provided|assuming|supposing|were)\b (?!\s+(?:I|any|we|you|my|not)\b)
         | \s*[,(]?\s*(?:or\s+so|so\s+they)\s+ | \s+(?:for|to)\s+(?:some|many|most)\b ))");
};

// Words that take something back.
#define REFOCUS_FILLER \
  R"((?: (?:hm+|uh|um|er|oh|ugh|ah|well|but|and|actually|okay|ok|yet|however|though)\b [\s,.!:-]* | \xE2\x80[\x93\x94\xA6]\s* )*)"

struct Retraction {
  Pattern gap = make(R"((?: [\s*_"'`)\]}$.,;:!(>-] | \xE2\x80[\x93\x94\xA6] | </\w+> )*)");
  Pattern next = make(REFOCUS_FILLER R"((?:
        no (?:\s*,?\s*no\b)* (?= [,.;:!] | \s*-{1,2}\s | \s*\xE2\x80 | \s+(?:wait|it|that|the\s+answer|sorry)\b | \s*\z )
      | no\s+(?:way|chance)\b | never(?= [.!,] | \s*\z ) | (?:certainly|definitely|absolutely|of\s+course|surely|obviously)\s+not(?= [.!,] | \s*\z ) | (?:nope|nah|not)(?= [.!] | \s*\z ) | (?:wrong|incorrect|false|untrue)(?= [.!,] | \s*\z ) | sorry\b | oops\b | whoops\b | (?:just\s+)?kidding\b | jk\b
      | (?:that|this|it|the\s+above)\s* (?:'s|is|was|seems|must\s+be|turns\s+out\s+to\s+be) \s+ (?:\w+\s+){0,2}? )" REFOCUS_WRONG
                                     R"( (?!\s+(?:that|to|about|if|for)\b)
      | I(?:'m|\s+am)\s+ (?: no\s+longer\b | not\s+(?:\w+\s+)?(?:sure|certain|convinced)\s+(?:\w+\s+)?any\s?more\b )
      | (?:that|this|it)\s+ (?:isn't|wasn't|can't\s+be|cannot\s+be|couldn't\s+be|doesn't\s+seem|won't\s+be) (?: \s+(?:\w+\s+)?(?:right|correct|true|it|so|good|the\s+(?:answer|case))\b | (?= [.,!] | \s*\z ) )
      | or\s+(?:maybe|perhaps|is\s+it|not|rather|possibly|was|better|more\s+precisely|should|could)\b | (?:maybe|perhaps)\s+not\b
      | I\s+(?:doubt\s+(?:it|that)|don't\s+(?:think|believe)\s+(?:so|that)|disagree)\b
      | make\s+(?:that|it)\b | I\s+mean(?:t)?\b | rather\b(?!\s+than) | changed?\s+to\b | becomes\b | (?:scratch|strike|cancel|undo|forget)\s+(?:that|it)\b | pardon\b | then\s+again\b | not\s+really\b | except\s+(?:that|it)\b ))");
  Pattern anywhere = make(
      R"((?: \A | (?<=[\n.!?:;,(\[*\x94\x93\xA6-]) | (?<=[\n.!?:;,(\[*\x94\x93\xA6-]\s) | (?<=\bbut\s) | (?<=\bno\s) | (?<=\boh\s) )
         (?: wait (?= \s*[,.!:;*-] | \s*\xE2\x80 | \s+(?:a|no|I|that|let|actually|it|the\s+(?:question|answer))\b | \s*\z ) | hold\s+on\b | hang\s+on\b
           | (?:please\s+)?(?:scratch|strike|forget|ignore|disregard|cancel|undo)\s+(?:that|this|the\s+above|my)\b | (?:I|we)\s+(?:take|took)\s+(?:that|it|this)\s+back\b | I\s+(?:retract|withdraw)\b
           | never\s*mind\b | I\s+(?:(?:have|need|must|want|would\s+like)\s+(?:to\s+)?)?(?:revise|correct|rectify)\s+(?:that|this|it|myself)\b | I\s+stand\s+corrected\b | on\s+second\s+thoughts?\b | then\s+again\b | come\s+to\s+think\s+of\s+it\b | re-?considering\b | pardon\b | on\s+(?:further\s+|closer\s+)?(?:reflection|inspection|examination)\b
           | (?:up)?on\s+(?:further|closer|second|more|re-?\w+|careful)\b (?:\s+(?:thought|reflection|consideration|inspection|examination|look|reading|review|analysis|the\s+question))?
           | thinking\s+(?:about\s+(?:it|this)\s+)?(?:again|twice)\b | having\s+(?:thought|looked)\s+again\b
           | let\s+(?:me|us|'s)\s+(?:re-?consider|re-?check|re-?think|re-?evaluate|re-?examine|re-?calculate|re-?compute|re-?do|revise|re-?try|re-?read|re-?assess|re-?analy[sz]e
                |double-?\s*check|correct|start\s+over|try\s+again|think\s+again|fix|change\s+(?:my|that))\b
           | oops\b | whoops\b | correction\b | my\s+(?:mistake|bad|apologies)\b | apologies\b | I\s+(?:must\s+)?apologi[sz]e\b
           | I(?:'ve|\s+have)?\s+(?:just\s+)?(?:made|noticed|see|realized|realised|found|spotted)\s+(?:a|an|my|the)\s+(?:\w+\s+)?(?:mistake|error|slip|typo)\b
           | I\s+(?:was|am|got\s+it|got\s+that|had\s+it)\s+(?:wrong|mistaken|confused|incorrect)\b | I\s+(?:misread|misunderstood|miscalculated|misspoke|mistyped|mixed\s+up|overlooked|confused)\b
           | (?:the|my)\s+(?: (?:above|previous|first|initial|earlier|original|last)\s+(?:answer|choice|response|conclusion|statement)
                | (?:answer|choice|response|conclusion|statement)\s+(?:above|I\s+gave|given\s+above) ) \s+(?:is|was)\s+(?:\w+\s+)?(?:wrong|incorrect|mistaken|not)\b
           | I(?:'ve|'ll|\s+have|\s+will)?\s+(?:changed?|am\s+changing|revise|correct)\s+my\s+(?:mind|answer|choice|response)\b | (?:edit|edited|update|updated|revised?|revision|amended|corrected|erratum)\s*(?=[:-])
           | that\s+(?:was|is)\s+(?:a\s+(?:typo|joke|test|mistake|slip)|my\s+mistake)\b | (?:just\s+)?kidding\b | I\s+(?:actually\s+)?meant\b | make\s+that\b
           | actually\s*,?\s*(?:no|not|that|scratch|wait|I\s+(?:was|think|should|would|meant))\b ))");
  Pattern confirmed = make(
      R"(\b(?:yes|yep|yeah|confirmed|indeed)\b(?=[,.!:]|\s*\z) | \b(?:that|this|it|which)\s*(?:'s|is|does|seems|looks|was)?\s*(?:\w+\s+)?(?:right|correct|checks?\s+out|holds|fine)\b
         | \b(?:my|the|our)\s+(?:\w+\s+)?(?:answer|choice|result)\s+(?:stands|holds|remains|is\s+(?:indeed\s+)?(?:correct|right|confirmed|unchanged|the\s+same))\b | \bI\s+stand\s+by\b
         | \bno\s+(?:mistakes?|errors?|change)\b)");
  Pattern denied = make(R"(\b(?:not|no|wrong|incorrect|never|false)\b|n't\b)");
};

// Signs that a sentence does not simply name its option.
struct Mention {
  Pattern unsure = make(
      R"(\b(?:not|no|nor|never|none|cannot|incorrect|wrong|false|except|excluding|unlike|than|if|whether|might|could|may|maybe|perhaps|possibly
              |fails?|failed|rejects?|rejected|avoid|discard|cross|opinion|similar|unlikely|trap|distractor|tempting|drop|skip|strike|scrap|forget|versus|vs|(?:anything|everything|all|any|nothing)\s+(?:\w+\s+)?but|instead|too|second)\b | n't\b
         | \b(?:eliminat|exclud|dismiss|doubt|implausib|impossib|improbab|mistak|disagree)\w*
         | \brul(?:e|es|ed|ing)\s+(?:\w+\s+)?out\b | \bmakes\s+(?:no|little)\b | \bless\b | \bpoor\b | \bout\s*\z | \bout\s+of\b | ~~
         | \b(?:nicht|kein\w*|falsch|pas|ne|faux|fausse|jamais|non|nunca|incorrecta|incorrecto|falsa|falso|errada|errado|sbagliat[ao]|niet|geen|fout|nie|nem|ikke|inte|ei)\b
         | \bn'(?=[a-z]) | n\xC3\xA3o | \xD0\xBD\xD0\xB5\x20 | \xD0\xBD\xD0\xB5\xD1\x82 | \xE4\xB8\x8D | \xE9\x9D\x9E | \xE9\x94\x99 | \xE9\x8C\xAF | \xEC\x95\x84\xEB\x8B | \xE3\x81\xBE\xE3\x81\x9B\xE3\x82\x93
         | \xE3\x81\xAA\xE3\x81\x84 | \xE2\x9C[\x96-\x98] | \xE2\x9D[\x8C\x8E] | de\xC4\x9Fil)");
};

struct Patterns {
  Attribution attribution;
  Doubt doubt;
  After after;
  Retraction retraction;
  Mention mention;
};

const Patterns& patterns() {
  static const Patterns made;
  return made;
}

constexpr std::size_t kFar = 240;  // bytes

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t'; }

// Whether the mark at `at` ends a sentence: "i.e. C", "vs. C" and "3.5" do not.
bool ends_sentence(std::string_view text, std::size_t at) {
  const char c = text[at];
  if (c == '\n' || c == ';') return true;
  if (c != '.' && c != '!' && c != '?') return false;
  std::size_t next = at + 1;
  while (next < text.size() && std::string_view("\"')*_]}$").find(text[next]) != std::string_view::npos)
    ++next;
  if (next < text.size() && !is_blank(text[next])) return false;
  if (c != '.') return true;
  if (at >= 2 && text[at - 2] == '.') return false;
  const std::string_view before = text.substr(at >= 3 ? at - 3 : 0, std::min<std::size_t>(3, at));
  return !before.ends_with(" vs") && !before.ends_with(" cf") && !before.ends_with(" Mr") &&
         !before.ends_with(" Dr");
}

// `text` without the matches of `pattern`.
std::string without(const Pattern& pattern, std::string_view text, std::string_view instead) {
  std::string out;
  std::size_t from = 0;
  while (const auto match = pattern.search(text, from)) {
    const Span span = *(*match)[0];
    out += text.substr(from, span.begin - from);
    out += instead;
    from = std::max(span.end, from + 1);
  }
  return out + std::string(text.substr(std::min(from, text.size())));
}

// The part of `text` after the last match of `pattern`.
std::string_view after_last(const Pattern& pattern, std::string_view text) {
  std::size_t from = 0;
  while (const auto match = pattern.search(text, from)) from = std::max((*match)[0]->end, from + 1);
  return text.substr(std::min(from, text.size()));
}

// The words before `at` that govern what stands there.
std::string clause_before(std::string_view text, std::size_t at) {
  const Doubt& rules = patterns().doubt;
  const std::size_t begin = sentence_begin(text, at);
  const std::string before = without(rules.exempt, text.substr(begin, at - begin), " ");
  return std::string(after_last(rules.clause, without(rules.aside, before, " ")));
}

bool doubts(const std::string& clause) {
  return patterns().doubt.doubt.search(clause) || patterns().doubt.denied_thought.search(clause);
}

// What somebody else says, or once was thought. `claim` begins in the sentence that begins at `begin`.
bool attributed(std::string_view text, std::size_t begin, Span claim) {
  const Attribution& rules = patterns().attribution;
  const std::string_view own = after_last(rules.own_voice, text.substr(begin, claim.begin - begin));
  const std::string_view with_claim = text.substr(claim.begin - own.size(), own.size() + claim.size());
  return rules.others.search(own) || rules.owner.search(with_claim) || rules.past.search(with_claim);
}

}  // namespace

std::size_t sentence_begin(std::string_view text, std::size_t at) {
  const std::size_t least = at > kFar ? at - kFar : 0;
  while (at > least && !ends_sentence(text, at - 1)) --at;
  return at;
}

std::size_t sentence_end(std::string_view text, std::size_t at) {
  const std::size_t most = std::min(text.size(), at + kFar);
  while (at < most && !ends_sentence(text, at)) ++at;
  return at;
}

bool doubted(std::string_view text, std::size_t at) {
  const std::string clause = clause_before(text, at);
  return doubts(clause) || patterns().doubt.denied.search(clause);
}

bool asserted(std::string_view text, Span claim) {
  if (doubts(clause_before(text, claim.begin))) return false;
  if (attributed(text, sentence_begin(text, claim.begin), claim)) return false;
  const std::size_t end = sentence_end(text, claim.end);
  if (end < text.size() && text[end] == '?') return false;
  return !patterns().after.undone.match_at(text.substr(0, end), claim.end);
}

bool says_whose(std::string_view words) { return patterns().attribution.by_others.search(words).has_value(); }

bool plainly_mentioned(std::string_view text, Span mention) {
  const std::size_t begin = sentence_begin(text, mention.begin), end = sentence_end(text, mention.end);
  if (end < text.size() && text[end] == '?') return false;
  return !patterns().mention.unsure.search(text.substr(begin, end - begin)) && asserted(text, mention);
}

std::optional<std::size_t> taken_back_at(std::string_view text, std::size_t at) {
  const Retraction& rules = patterns().retraction;
  const std::size_t begin = (*rules.gap.match_at(text, at))[0]->end;
  const auto match = rules.next.match_at(text, begin);
  if (!match) return std::nullopt;
  return (*match)[0]->end;
}

std::optional<Span> next_retraction(std::string_view text, std::size_t from) {
  const auto match = patterns().retraction.anywhere.search(text, from);
  if (!match) return std::nullopt;
  return *(*match)[0];
}

std::optional<std::size_t> confirmed_after(std::string_view text, std::size_t at) {
  const std::string_view near = text.substr(0, std::min(text.size(), at + 400));
  const auto match = patterns().retraction.confirmed.search(near, at);
  if (!match) return std::nullopt;
  const Span span = *(*match)[0];
  if (patterns().retraction.denied.search(near.substr(0, span.end), span.begin)) return std::nullopt;
  return span.end;
}

}  // namespace refocus
