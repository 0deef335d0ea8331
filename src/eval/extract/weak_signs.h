// Signs of an answer weaker than an outright statement, each used only where nothing stronger is found.
#pragma once

#include "eval/extract/answer_label.h"

namespace refocus {

// "C is correct", "C fits best": the option that alone is called so from `begin` on, or, where several are,
// the last one that a word such as "so" introduces.
Reading read_verdicts(const Reply& reply, std::size_t begin);

enum class Mention {
  kPointed,  // "option C", "(C)", or a letter with its own text
  kAny,      // these, or else any "C" that stands alone
};

// The one option that the reply mentions by letter from `begin` on without denying it.
Reading read_only_mention(const Reply& reply, std::size_t begin, Mention mention);

// The one option whose text stands from `begin` on, where nothing there is denied.
Reading read_only_text(const Reply& reply, std::size_t begin);

// The label ("C. text", "Option C") or the option text that the response opens with, unless it goes on to
// list the other options too.
Reading read_opening(const Reply& reply);

// A label alone, or with its own text, on the last line; or alone as the last sentence.
Reading read_closing(const Reply& reply);

// "I do not know", "cannot be determined" from `begin` on.
bool refuses(const Reply& reply, std::size_t begin);

}  // namespace refocus
