// "Did you mean": the known word that a mistyped one is nearest to.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace refocus {

// The known word with the fewest insertions, deletions, changes and exchanges of neighbouring bytes from
// `word` (optimal string alignment, without regard to ASCII case), at most one for every three bytes of the
// shorter; or the only one that begins with it, of three bytes and more. Empty where none is near.
std::string nearest_word(std::string_view word, std::span<const std::string_view> known);

// "; did you mean NAME?" of the nearest, or nothing, for the end of a message.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

}  // namespace refocus
