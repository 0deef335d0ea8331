// The longest text that a field of a question or of a saved answer may have.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace refocus {

// Tokenizing takes some two hundred bytes of memory for each byte of text, and no model's context holds a
// hundredth of this: what is longer is a quote that was never closed, or another kind of file.
inline constexpr std::size_t kMostFieldBytes = std::size_t{1} << 20;

// InputError for a longer text; `what` names it: "cell 3", "field 'goal'".
inline void check_field_size(std::string_view text, const std::string& where, std::string_view what) {
  if (text.size() <= kMostFieldBytes) return;
  throw input_error(where, "expected at most {} bytes in {}, got {}; shorten it, or close a quote before it",
                    kMostFieldBytes, what, text.size());
}

}  // namespace refocus
