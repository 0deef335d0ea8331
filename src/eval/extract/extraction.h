// Reading the chosen letter from a response: the rule sets by name, and the filter over JSON lines.
#pragma once

#include <iosfwd>
#include <span>
#include <string>
#include <string_view>

#include "eval/task/item.h"
#include "eval/task/profile.h"

namespace refocus {

// `choices`: 1 to 26 option texts in the order of their letters (InputError for another number). The span is
// in bytes of `response`. See eval/extract/extract_anchored.h and eval/extract/extract_published.h for the
// rules.
Extraction extract(ExtractionRules rules, std::span<const std::string> choices, std::string_view response);

// Whether `rule` of either set read a letter from signs weaker than an outright statement: a label that opens
// or closes the response, "C is correct", the only option mentioned, a statement in reasoning that was never
// ended, the first letter, the most similar text. What such a rule finds in a response that was cut off may
// not be what it would have come to.
bool is_weak_rule(std::string_view rule);

// Reads lines {"choices":[..],"response":".."} (other keys are ignored) and writes for each a line
// {"answer":"B","rule":"..","span":[begin,end]}, or {"answer":null,"rule":"","span":[0,0]} where no letter
// was found. `task` fixes the number of choices. `where` names the input in errors; a line that is no such
// object is an InputError with its number. Blank lines are allowed at the end only.
void extract_lines(std::istream& in, std::ostream& out, std::string_view task, ExtractionRules rules,
                   std::string_view where);

}  // namespace refocus
