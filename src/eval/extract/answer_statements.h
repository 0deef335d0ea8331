// Where a response states its answer outright: "Response: C", "the answer is not A but C", "I choose C",
// "it is C", "Therefore, C.", "C is the correct answer".
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "eval/extract/answer_label.h"

namespace refocus {

struct Statement {
  std::size_t place = 0;  // where it stands in the response; later ones take back earlier ones
  Reading reading;        // chosen, denied or several at once
  const char* rule = "";
  std::size_t end = 0;       // of all its words
  bool conditional = false;  // "if ..., the answer is C"
  bool retracts = false;     // takes back whatever is stated before it; no reading
};

struct Statements {
  std::vector<Statement> list;        // in the order of the response
  std::optional<std::size_t> header;  // where the text after the last "Response:" or "Answer:" begins
  std::uint32_t unsure =
      0;  // bit k for an option that is stated only as a doubt, a question or another's view
};

Statements find_statements(const Reply& reply);

// What stands in the place of `reading` where words after it take it back ("C. No, wait: D"): the option
// named instead, or kNothing. Nothing where it is not taken back.
std::optional<Reading> correction_of(const Reply& reply, const Reading& reading);

}  // namespace refocus
