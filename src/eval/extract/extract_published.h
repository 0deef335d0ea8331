// The letter extraction of the published evaluation code (arXiv 2403.14932), to reproduce its numbers.
//
// It first turns option texts into letters everywhere in the response, then takes the first of five rules
// that matches: "answer" (answer/choice/choose ... L), "verdict" (L ... correct/right), "opening" (L at the
// very start), "first_letter" and "most_similar" (see most_similar of eval/text/fuzzy_match.h). Known to be
// wrong on replies that discuss the options before they answer; docs/extraction.md says how. Not the default.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "eval/task/item.h"

namespace refocus {

// `choices`: 1 to 26 option texts. The span lies in `response` as given (bytes); where the letter came from
// an option text it is that text. Always finds a letter. Invalid UTF-8 is read as U+FFFD.
// Time: the length of the response, and for "most_similar" its product with the options' lengths.
Extraction extract_published(std::span<const std::string> choices, std::string_view response);

}  // namespace refocus
