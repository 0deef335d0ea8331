// Regular expressions by PCRE2: what Python's re has in common with it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace refocus::jinja {

struct Match {
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  // [begin, end) in bytes of the whole match and of each group; kNone for a group that took no part.
  std::vector<std::pair<std::size_t, std::size_t>> groups;
};

class Pattern {
 public:
  // Failure, naming `what`, where the pattern is malformed or not supported.
  Pattern(std::string_view what, std::string_view pattern);

  // Matches from left to right; `most` of them, or all where it is 0. An empty match may follow another one,
  // but not stand where one stands, as in Python. Failure where the pattern needs too many steps on this
  // text.
  std::vector<Match> find_all(std::string_view text, std::size_t most) const;
  // The number of the group of that name, or -1.
  int group(const std::string& name) const;
  int groups() const;

 private:
  std::shared_ptr<void> code_;  // pcre2_code
};

}  // namespace refocus::jinja
