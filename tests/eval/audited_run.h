// A small run with a journal, on which the two rule sets differ in known ways.
#pragma once

#include <filesystem>

#include "eval/journal/journal.h"

namespace refocus::testing {

// mmlu, anatomy with 3 items and philosophy with 2, options one to four; labels B, C, A and D, B.
//
//   cot-none       label  anchored  published
//   anatomy 0      B      B         B           "Response: B"
//   anatomy 1      C      C         A           "Option A: no. Response: C"
//   anatomy 2      A      C         A           "Option A: no. Response: C"
//   philosophy 0   D      -         A           "I do not know." (most similar: all are alike, so the first)
//   philosophy 1   B      C         A           "Option A: no. Response: C"
//
// direct-none gives the right letter alone, but for anatomy 0, where it has the text of cot-none.
struct AuditedRun {
  bool questions = true;  // the journal says what was asked
  bool finished = true;   // otherwise the last answer of direct-none is missing
};
void write_audited_run(const std::filesystem::path& directory, const AuditedRun& what = {});

Questions audited_questions();

}  // namespace refocus::testing
