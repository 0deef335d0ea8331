// Python's textwrap.wrap, as the filter wordwrap uses it.
#pragma once

#include "template/runtime.h"

namespace refocus::jinja {

struct WrapSettings {
  std::int64_t width = 79;
  bool break_long_words = true, break_on_hyphens = true;
};

// The lines that a text of one line is wrapped into; none of an empty one.
std::vector<Text> wrapped(Runtime& runtime, const Text& text, const WrapSettings& settings);

}  // namespace refocus::jinja
