// Questions and answers for a report: as blocks of data that the page decodes when it needs them, and as HTML
// where a page has no script.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eval/report/html_tables.h"
#include "web/page.h"

namespace refocus {

// For each task T (its place) the blocks
//   "index-T"      what lists and filters need of every item: {"subjects": [name], "groups": [[subject,
//   items]],
//                  "items": [doc_id], "labels": "BC-..", "arms": [{"letters": "A-..", "correct": "10-..",
//                  "cut": "012..", "unfinished": "01.."}], "chunks": [first item of each]}; one character an
//                  item, "-" for none; "cut" 1 where it was cut off and 2 where a text of `until` ended it.
//                  Of short answers also "targets" and each arm's "found": [text], where letters have "*"
//   "answers-T-K"  the items of chunk K: [[question, [option], [answer of each arm]]], where an answer is
//                  [text, begin, end, rule, tokens] with begin and end in UTF-16 units, as JavaScript counts,
//                  and -1 where no letter was found; of log-likelihoods [[log-likelihood, is_greedy]]
std::vector<PageBlock> answer_blocks(const ReportView& view);

// The parts of an item's fields: what is asked, and the options' texts. Labels are in neither.
struct QuestionParts {
  std::string question;
  std::vector<std::string> options;
};
QuestionParts question_parts(const Item& item);

// The lists of flips: with texts for a page without script, and without them a table to stand in for it.
std::string html_flips(const ReportView& view, bool texts);

// UTF-16 units of valid UTF-8.
std::int64_t utf16_length(std::string_view text);

}  // namespace refocus
