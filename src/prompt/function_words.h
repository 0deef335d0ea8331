// English function words: words that hold a sentence together and say little by themselves.
#pragma once

#include <string_view>

namespace refocus {

// `word` in lower case, ASCII apostrophes. Contractions count by their first part: don't, it's, we'll.
bool is_function_word(std::string_view word);

}  // namespace refocus
