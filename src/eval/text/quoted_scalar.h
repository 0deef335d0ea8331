// Quoted YAML scalars of several lines. yaml-cpp 0.7 loses a line break where two or more empty lines follow
// each other, or a scalar begins with one; so what has breaks is read again here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace refocus {

// What the scalar that begins with the quote at `begin` says (YAML 1.1, 5.7 and 9.1: a break is a blank, and
// of n breaks in a row, blanks around them left out, n - 1 stay). Nothing where there is no quote, no break
// within, or an escape that is not YAML's.
std::optional<std::string> multi_line_scalar(std::string_view text, std::size_t begin);

}  // namespace refocus
