// The regular expressions that answer_statements.cpp finds statements by, on plain text.
#pragma once

#include "eval/text/pattern.h"

namespace refocus {

struct StatementPatterns {
  StatementPatterns();

  Pattern head, copula;  // "the correct answer", and "is" or a colon
  Pattern choose, it_is, therefore_;
  Pattern header_line, markup, denial;
  Pattern unsure, supposed;  // what makes "the answer ... is" no statement of this answer
  Pattern wrong, bad;        // "wrong answer", "bad choice"
  Pattern also, too;
  Pattern conditional, condition;
  Pattern verdict, is_it;  // "is the answer"; "is" at a sentence's end
  Pattern contrast, denied_before;
};

const StatementPatterns& anchors();

// What depends on how many letters there are.
struct LetterPlaces {
  explicit LetterPlaces(char last);

  Pattern label;         // group 1 or 2
  Pattern afterthought;  // a few words and a letter at a line's end: "Answer: B. Better: D."
};

}  // namespace refocus
