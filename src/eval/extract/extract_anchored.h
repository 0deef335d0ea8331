// The letter extraction that Refocus uses unless told otherwise: it reads what the response states last.
//
// In order: the last outright statement after the last "Response:" or "Answer:" header (rules "header",
// "answer_is", "i_choose", "it_is", "conclusion", "is_the_answer", "correction"); weaker signs after that
// header ("verdict", "only_mention", "only_text"); the last outright statement before it; then a label or
// option text that opens the response ("opening", "opening_text"), weaker verdicts ("verdict",
// "option_verdict"), and a label on the last line ("closing"). Nothing where none of these holds, or where
// the statement is denied, doubted, somebody else's, taken back or names several options: it never guesses.
// Quoted option texts are not mistaken for statements. docs/extraction.md has the details.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "eval/task/item.h"

namespace refocus {

// `choices`: 1 to 26 option texts. The span is the letter or option text in `response`, in bytes. Any bytes
// will do as a response.
Extraction extract_anchored(std::span<const std::string> choices, std::string_view response);

}  // namespace refocus
