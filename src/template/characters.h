// What Python's str knows of characters (Unicode 14 in Python 3.11; utf8proc's newer characters besides).
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "template/text.h"

namespace refocus::jinja {

bool is_space(char32_t c);         // str.isspace, and \s of re
bool is_letter(char32_t c);        // str.isalpha
bool is_decimal(char32_t c);       // str.isdecimal
bool is_digit(char32_t c);         // str.isdigit
bool is_numeric(char32_t c);       // str.isnumeric
bool is_alphanumeric(char32_t c);  // str.isalnum
bool is_lower(char32_t c);         // Unicode's Lowercase
bool is_upper(char32_t c);         // Unicode's Uppercase
bool is_title(char32_t c);         // of the category Lt
bool is_printable(char32_t c);     // str.isprintable: repr() writes it as it is

// The value of a decimal digit of any script.
int digit_value(char32_t c);

enum class Case { kLower, kUpper, kTitle, kCapitalize, kSwap, kFold };
// str.lower, upper, title, capitalize, swapcase and casefold. Each character that is made is from where the
// one is that it was made of.
Text in_case(const Text& text, Case to, std::size_t limit);

// Bytes [begin, end) without white space, or the characters of `chars`, at the ends. At one end: see `left`,
// `right`.
std::pair<std::size_t, std::size_t> stripped(std::string_view bytes, const std::string_view* chars, bool left,
                                             bool right);

}  // namespace refocus::jinja
