#include "eval/text/display_width.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/utf8.h"

namespace refocus {

int display_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    const char32_t code_point = step.status == Utf8Status::kValid ? step.code_point : U'\uFFFD';
    width += std::max(0, utf8proc_charwidth(static_cast<utf8proc_int32_t>(code_point)));
    text.remove_prefix(static_cast<std::size_t>(step.length));
  }
  return width;
}

}  // namespace refocus
