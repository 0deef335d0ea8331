// A regular expression of Python's `re` module (3.11), matched by PCRE2, for names of a model's modules:
// ASCII without control characters.
//
// What the two dialects read differently is rewritten: \Z, {,n}, \v, \0 and octal escapes, numbered
// references, [ in a class, flags such as (?a). What Python refuses is refused, also where PCRE2 has a
// meaning for it ((?R), (*VERB), \h, \Q, (?i) in the middle, ...), and so are \N{NAME} and the flags L and x.
// Sources: https://docs.python.org/3.11/library/re.html and pcre2pattern(3).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace refocus {

class PythonRegex {
 public:
  // InputError `[where] expected a regular expression ... in `what`...` where Python would raise re.error, or
  // where the expression cannot be carried over. `pattern` is UTF-8, and is quoted in messages as `shown`.
  PythonRegex(std::string where, std::string_view what, std::string_view pattern, std::string_view shown);

  // re.match(pattern, text): a match that begins at the beginning. InputError, here and below, where the
  // expression needs too many steps on this text.
  bool match(std::string_view text) const;
  // re.fullmatch(pattern, text)
  bool full_match(std::string_view text) const;
  // What re.match gives the group of this name; nothing where there is no match.
  std::optional<std::string> match_group(std::string_view text, const char* group) const;

 private:
  struct Found;
  Found run(std::string_view text, unsigned options) const;

  std::string where_, what_, shown_;
  std::shared_ptr<void> code_;  // pcre2_code
};

}  // namespace refocus
