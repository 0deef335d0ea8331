// Rewrites a regular expression of Python's `re` (3.11) as PCRE2 reads it with UTF and without UCP; see
// python_regex.h for what is rewritten and what is refused.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace refocus {

// What Python would not compile, or what cannot be carried over: "\\Q", "(?R", ...
class PythonRegexError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

std::string pcre2_from_python(std::string_view pattern);

}  // namespace refocus
