// Whether a response says in its own voice what stands at some place, or denies, asks, supposes or quotes it,
// or takes it back in what follows. Looks at the sentence and the beginning of the next one only.
#pragma once

#include <optional>
#include <string_view>

#include "eval/text/pattern.h"

namespace refocus {

// Where the sentence around `at` begins and ends; at most 240 bytes away. A line feed, a semicolon and a full
// stop, question or exclamation mark before a blank end one.
std::size_t sentence_begin(std::string_view text, std::size_t at);
std::size_t sentence_end(std::string_view text, std::size_t at);

// Whether the words before `at`, back to the last comma or other break, deny, doubt or only suppose what
// follows: "I doubt that ...", "if ...", "there is no way that ...", "not ...".
bool doubted(std::string_view text, std::size_t at);

// Whether what stands at `claim`, the words of a statement, is the response's own assertion: not doubted, not
// what somebody else says ("my friend's answer is", "..., according to some"), no question, not conditional
// ("... if it were red"), and not contradicted in the same sentence ("..., but that is wrong").
bool asserted(std::string_view text, Span claim);

// Whether words between "answer" and its verb make it somebody else's: "that most people give".
bool says_whose(std::string_view words);

// As asserted, for a mere mention: nothing in the whole sentence may deny, doubt, ask or attribute anything.
bool plainly_mentioned(std::string_view text, Span mention);

// Words right after `at` that take back what stands there ("No, ...", "That is wrong", "or rather ..."):
// where they end.
std::optional<std::size_t> taken_back_at(std::string_view text, std::size_t at);

// The next words at or after `from` that take back everything before them ("Wait, ...", "Scratch that").
std::optional<Span> next_retraction(std::string_view text, std::size_t from);

// Whether what follows a retraction that ends at `at` confirms after all what was taken back: "Yes, that is
// right". Where.
std::optional<std::size_t> confirmed_after(std::string_view text, std::size_t at);

}  // namespace refocus
