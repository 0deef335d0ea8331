#include "tokenizer/pipeline/unicode_normal_form.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"

namespace refocus {
namespace {

// Canonical ordering (UAX #15, D109): each run of combining marks sorted by class, stably. utf8proc's own
// loop exchanges neighbours, which is quadratic in a hostile run's length.
void order_marks(std::vector<utf8proc_int32_t>& code_points) {
  const auto mark_class = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
  for (std::size_t i = 0; i < code_points.size(); ++i) {
    if (mark_class(code_points[i]) == 0) continue;
    std::size_t end = i + 1;
    while (end < code_points.size() && mark_class(code_points[end]) != 0) ++end;
    std::stable_sort(code_points.begin() + static_cast<std::ptrdiff_t>(i),
                     code_points.begin() + static_cast<std::ptrdiff_t>(end),
                     [&](auto a, auto b) { return mark_class(a) < mark_class(b); });
    i = end - 1;
  }
}

}  // namespace

std::string normalize_unicode(std::string_view text, NormalForm form) {
  // ASCII is the same in all four forms.
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
    return std::string(text);
  }
  const bool compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  const bool compose = form == NormalForm::kNfc || form == NormalForm::kNfkc;
  const auto decompose = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
                                                        (compatible ? UTF8PROC_COMPAT : 0));
  std::vector<utf8proc_int32_t> code_points;
  code_points.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    text.remove_prefix(static_cast<std::size_t>(step.length));
    utf8proc_int32_t parts[32];  // the longest decomposition of one character has 18
    int boundary = 0;
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(step.code_point), parts, 32,
                                               decompose, &boundary);
    REFOCUS_CHECK(count >= 0 && count <= 32);
    code_points.insert(code_points.end(), parts, parts + count);
  }
  order_marks(code_points);
  if (compose) {
    const auto count =
        utf8proc_normalize_utf32(code_points.data(), static_cast<utf8proc_ssize_t>(code_points.size()),
                                 static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    REFOCUS_CHECK(count >= 0);
    code_points.resize(static_cast<std::size_t>(count));
  }
  std::string out;
  out.reserve(code_points.size());
  for (const auto c : code_points) append_utf8(static_cast<char32_t>(c), out);
  return out;
}

}  // namespace refocus
