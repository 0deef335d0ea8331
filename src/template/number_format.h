// Numbers as digits, as Python's format specifications ask for them.
#pragma once

#include <string>

#include "template/value.h"

namespace refocus::jinja {

// [[fill]align][sign][z][#][0][width][grouping][.precision][type] of Python's format().
struct FormatSpec {
  std::string fill;   // one character, or empty
  char align = '\0';  // '<', '>', '=', '^'
  char sign = '-';
  bool alternate = false, zero = false;
  std::int64_t width = 0, precision = -1;
  char grouping = '\0';
  char type = '\0';
};

// Failure for what is no specification.
FormatSpec parsed_spec(std::string_view text);

// A number by a specification, with its padding.
std::string formatted_number(const Value& value, const FormatSpec& spec);

// "%.3f" and the like of C, for the types e, f, g and their capitals; `alternate` is '#'.
std::string c_format(double value, char type, std::int64_t precision, bool alternate);
// Digits of a whole number without its sign, in base 2, 8, 10 or 16.
std::string digits_of(std::int64_t value, int base, bool capitals);

// How wide a number may be made, and with how many digits.
inline constexpr std::int64_t kWidestNumber = 100'000;

}  // namespace refocus::jinja
