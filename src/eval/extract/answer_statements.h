// Where a response states its answer outright: "Response: C", "the answer is not A but C", "I choose C",
// "it is C", "Therefore, C.", "C is the correct answer".
#pragma once

#include <optional>
#include <vector>

#include "eval/extract/answer_label.h"

namespace refocus {

struct Statement {
  std::size_t place = 0;  // where it stands in the response; later ones take back earlier ones
  Reading reading;        // chosen or denied
  const char* rule = "";
};

struct Statements {
  std::vector<Statement> list;        // in the order of the response
  std::optional<std::size_t> header;  // where the text after the last "Response:" or "Answer:" begins
};

Statements find_statements(const Reply& reply);

// Whether the words before `at`, back to the last comma or sentence end, deny or only suppose what follows.
bool doubted(std::string_view text, std::size_t at);

}  // namespace refocus
