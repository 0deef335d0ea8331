// The escapes of string literals.
#pragma once

#include <string>
#include <string_view>

namespace refocus::jinja {

// What stands between the quotes of a string, as Python's codec "unicode-escape" reads it: an escape that
// there is not stays as it is. False with a message in `error` for an escape that is broken, a half of a
// character
// ("\ud800") and names of characters ("\N{...}"), which are not read.
bool unescaped(std::string_view literal, std::string& out, std::string& error);

}  // namespace refocus::jinja
