// Short answers: which part of a response is the answer, and how it compares with those that are right.
// docs/own-tasks.md defines each measure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/task/profile.h"
#include "eval/task/scoring.h"
#include "eval/task/task_kind.h"
#include "eval/text/pattern.h"

namespace refocus {

// As SQuAD's evaluation (Rajpurkar et al., arXiv 1606.05250) normalises an answer: lower case, without ASCII
// punctuation, without the words a, an and the, runs of white space as one blank and none at the ends.
// Unlike there, punctuation and articles stay where nothing else would be left. `text` must be UTF-8.
std::string normalised_answer(std::string_view text);

// Whether both are the same after normalised_answer.
bool exact_match(std::string_view answer, std::string_view right);

// The harmonic mean of precision and recall of the words of normalised_answer, each counted as often as it
// occurs in both; 0 where none does, 1 where neither text has any.
double token_f1(std::string_view answer, std::string_view right);

// A number of a text and its bytes.
struct NumberFound {
  double value = 0;
  Span span;
};

// The last number: digits, possibly in groups of three with commas, with a decimal part, an exponent and a
// sign that does not follow a letter, digit or bracket. U+2212 is a minus. Percent and currency signs, units
// and fractions mean nothing. Numbers beyond a double are none.
std::optional<NumberFound> last_number(std::string_view text);

// The number that `text` is, but for white space around it.
std::optional<double> whole_number_text(std::string_view text);

// Whether they differ by at most `tolerance`.
bool numbers_agree(double a, double b, double tolerance);

// The answer in `response` (UTF-8): the last match of rules.pattern (its first group, where it has one), or
// else what follows the last "Response:", or else everything; without white space around it, and for
// ShortMetric::kNumeric the last number of that. Nothing where that is empty.
Extraction extract_short_answer(const ShortAnswerRules& rules, std::string_view response);

// Why `regex` is no pattern of ShortAnswerRules; nothing where it is one.
std::optional<std::string> short_answer_pattern_error(const std::string& regex);

// Judges a response by the task's AnswerType: a letter by `rules`, a short answer, or nothing at all.
Answer judge_text(const Task& task, const Item& item, Response response, ExtractionRules rules);

}  // namespace refocus
