// Replies that go through the options and judge each: "A. two: no. B. four: yes.", "A) ... ✗ / B) ... ✓".
#pragma once

#include "eval/extract/answer_label.h"

namespace refocus {

// The one option that such a list calls right ("yes", "correct", "true", a check mark). Nothing where it
// calls several so, or none.
Reading read_option_verdicts(const Reply& reply);

// Whether the response begins with such a list, or one of the bare options, so that its first label is no
// answer.
bool opens_with_list(const Reply& reply);

}  // namespace refocus
