// Where a response names several options at once: "A or C", "A; C", "both A and C", "\boxed{A}, \boxed{C}".
#pragma once

#include <cstddef>
#include <optional>

#include "eval/extract/answer_label.h"

namespace refocus {

// Where the last of the other options ends, by letter or text, that are joined to option `letter`, whose own
// letter or text ends at `at`; nothing where none is. "A, B is wrong" joins nothing.
std::optional<std::size_t> end_of_joined(const Reply& reply, char letter, std::size_t at);

}  // namespace refocus
