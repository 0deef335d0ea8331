// `refocus rescore --manual`: puts responses before a person, in a terminal key by key, or on a pipe line by
// line.
#pragma once

#include <cstdint>

#include "eval/audit/review.h"

namespace refocus::cli {

struct ManualOptions {
  bool show_arm = false, show_label = false, hide_rules = false;
};

// Until the person quits or the input ends.
void review_by_hand(Review& review, const ManualOptions& options);

}  // namespace refocus::cli
