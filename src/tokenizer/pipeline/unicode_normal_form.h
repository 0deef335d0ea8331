// Unicode normalization (UAX #15), in time linear in the text but for sorting runs of combining marks.
#pragma once

#include <string>
#include <string_view>

namespace refocus {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// `text`, valid UTF-8, in the given form.
std::string normalize_unicode(std::string_view text, NormalForm form);

}  // namespace refocus
