// The choice most similar to a text, as thefuzz 0.22.1 with RapidFuzz 3.14 finds it.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace refocus {

// RapidFuzz's default_process: letters and digits in lower case, anything else a blank, none at the ends. It
// knows the characters of Unicode 13.0.
std::u32string default_process(std::u32string_view text);

// thefuzz's full_process with force_ascii: default_process without U+0080 to U+00FF.
std::u32string full_process(std::u32string_view text);

// thefuzz's process.extractOne with its defaults: the index of the choice whose weighted_ratio to `query` is
// best, the first of several; 0 where nothing is left of the query. There is at least one choice.
std::size_t most_similar(std::u32string_view query, std::span<const std::u32string> choices);

}  // namespace refocus
