// Python literals in text: what ast.literal_eval makes of what a template printed, with the origin of each
// character.
#pragma once

#include <optional>

#include "template/value.h"

namespace refocus::harness {

// Texts, whole numbers, reals, True, False, None, and lists, tuples and dicts of them. Nothing where the text
// is anything else (bytes, sets and complex numbers included), nests deeper than 100 levels, or has a whole
// number of more than 64 bits. A text in it is from where its characters are from, anything else from where
// it begins.
std::optional<jinja::Value> literal_value(const jinja::Text& text);

// Whether str.isdigit() holds and every digit is one of ASCII.
bool is_ascii_digits(std::string_view text);

}  // namespace refocus::harness
