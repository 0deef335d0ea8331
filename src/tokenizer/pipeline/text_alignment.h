// Where in a text the bytes of another one made of it come from: a normalized text, or what tokens decode to.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace refocus {

// For each byte boundary of `made` (made.size() + 1 of them) the boundary of `text` that it corresponds to:
// never falling, 0 first and text.size() last. Equal bytes correspond, and U+2581 (▁) is equal to a space.
// Where the two differ (composed or changed characters, a space put before the text), the stretch up to the
// next bytes that agree corresponds as a whole: its boundaries are those of the stretch's beginning.
std::vector<std::size_t> align_text(std::string_view text, std::string_view made);

}  // namespace refocus
