// How a response ended, and whether it ended before it had stated its answer.
#pragma once

#include <optional>
#include <string_view>

#include "eval/task/item.h"
#include "prompt/answer_end.h"

namespace refocus {

// Where the part after the last "Response:" or "Answer:" begins, in bytes: a header in either case, with
// marks such as
// ** around it, with a colon or alone on its line. Nothing where there is no header.
std::optional<std::size_t> statement_begin(std::string_view text);

// Whether a prompt asks for an analysis and then a statement under such a header: it names the header before
// its end, or ends with "Analysis:". A prompt that ends with the header itself asks for the statement at
// once.
bool expects_statement(std::string_view prompt);

inline constexpr const char* kPatternRule = "answer_pattern";  // Extraction::rule of a user's own pattern

// Whether what was found in the response was found in an answer that is not whole. Where the prompt expects a
// statement, an answer is whole that has one: some text after the header and, if it was cut off, what was
// found in it. Elsewhere, and where a user's pattern found it, which says itself what a statement is, every
// answer is whole that was not cut off.
bool is_unfinished(const Response& response, const Extraction& found);

}  // namespace refocus
