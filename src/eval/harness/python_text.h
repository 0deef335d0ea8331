// What methods of Python's str and functions of its re do to a text (valid UTF-8), as filters and metrics use
// them.
#pragma once

#include <string>
#include <string_view>

#include "template/pattern.h"

namespace refocus::harness {

std::string lowered(std::string_view text);  // str.lower()
std::string raised(std::string_view text);   // str.upper()

// re.sub(pattern, "", text).
std::string without_matches(const jinja::Pattern& pattern, std::string_view text);

// Without characters of the categories P* of Unicode; without string.punctuation; without string.digits.
std::string without_unicode_punctuation(std::string_view text);
std::string without_ascii_punctuation(std::string_view text);
std::string without_ascii_digits(std::string_view text);

// A pattern that matches the text alone.
std::string escaped_for_pattern(std::string_view text);

// len(re.split(r"\s+", text)).
std::size_t word_count(std::string_view text);

// str[-1].isspace(), str[0].isspace(); false for an empty text.
bool ends_with_space(std::string_view text);
bool starts_with_space(std::string_view text);

}  // namespace refocus::harness
