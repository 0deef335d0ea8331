// The regular expressions that answer_label.cpp reads labels and their surroundings by, on plain text.
#pragma once

#include <string>

#include "eval/text/pattern.h"

namespace refocus {

// What depends on how many letters there are.
struct LabelPatterns {
  explicit LabelPatterns(char last);

  Pattern label, bracketed, small, pointed;
  Pattern before_text;  // a small letter that is a label where its own text follows
  Pattern reasoned;     // a small letter before "because"
};

// Patterns that do not depend on the letters, matched after a label or text, or between it and the anchor.
struct TailPatterns {
  TailPatterns();

  Pattern closing;                // markup and brackets
  Pattern question;               // a question mark
  Pattern denied;                 // "is wrong", "cannot be"
  Pattern verdict;                // "is correct"
  Pattern neutral;                // any other verb
  Pattern end;                    // punctuation or a line's end
  Pattern reason_after_a, words;  // "because ..."
  Pattern between;                // what may stand between a letter and its option's text
  Pattern brief_end, line_end;
  Pattern to_text;  // between a letter and a text on its line
  // "C. S. Lewis", "C. albicans", "A. Smith": group 1 is a word that an option's text may share.
  Pattern initials, species, surname;
  Pattern speaker;     // "A: C", a speech
  Pattern all_denied;  // "are wrong"
  Pattern letter_after_text;
  Pattern name;         // before a letter that is no option: "vitamin "
  Pattern denial, but;  // "not", and what it gives way to
  Pattern markup, bare_filler, filler;
};

const TailPatterns& tail();

}  // namespace refocus
