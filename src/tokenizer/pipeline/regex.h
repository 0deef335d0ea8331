// A regular expression of a tokenizer.json, matched by PCRE2 with its just-in-time compiler.
//
// Characters newer than PCRE2's Unicode (14 in Debian 12) count as unassigned: neither letters nor digits.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace refocus {

class Regex {
 public:
  // Compiles `pattern`, written in Oniguruma's dialect. InputError (naming `where`) where it is malformed or
  // not supported.
  Regex(std::string where, std::string_view pattern);

  // All matches in `text` (valid UTF-8) from left to right, as [begin, end) in bytes; a match may be empty.
  // InputError where the expression needs too many steps on this text (a hostile file).
  std::vector<std::pair<std::size_t, std::size_t>> find_all(std::string_view text) const;

 private:
  std::string where_;
  std::shared_ptr<void> code_;  // pcre2_code
};

}  // namespace refocus
