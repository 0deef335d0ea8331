// A compiled regular expression: PCRE2 with JIT, for text of any bytes.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

// The byte offsets [begin, end) of a group in the searched text.
struct Span {
  std::size_t begin = 0, end = 0;
  std::size_t size() const { return end - begin; }
};

// What a search found: group 0 is the whole match; a group that took no part is empty.
using Match = std::vector<std::optional<Span>>;

class Pattern {
 public:
  enum class Text {
    kBytes,  // any bytes; classes and word boundaries know ASCII only
    kUtf8,   // valid UTF-8 only; classes and word boundaries know Unicode, as Python's `re` does
  };

  // `regex` is a constant of the program: a wrong one is a broken invariant. Extended syntax where
  // `extended` (white space in it is ignored).
  Pattern(const std::string& regex, Text text, bool ignore_case = false, bool extended = false);

  // What is wrong with `regex`, a user's; nothing where it may be given to the constructor.
  static std::optional<std::string> error(const std::string& regex, Text text);

  // The first match at or after `from`. Thread-safe.
  std::optional<Match> search(std::string_view text, std::size_t from = 0) const;

  // A match that begins exactly at `at`.
  std::optional<Match> match_at(std::string_view text, std::size_t at) const;

 private:
  std::optional<Match> run(std::string_view text, std::size_t from, unsigned options) const;

  std::shared_ptr<void> code_;
  std::size_t groups_ = 0;
};

// Puts the option letters A to `last` into a regex: {L} becomes [A-last], {l} [a-last], {N} [^A-last].
std::string with_letters(std::string regex, char last);

// The T made from the last option letter (T(char last)) for 1 to 26 options; made once. Thread-safe.
template <class T>
const T& for_letters(std::size_t options) {
  static std::mutex mutex;
  static std::array<std::unique_ptr<const T>, 27> made;
  const std::lock_guard lock(mutex);
  auto& entry = made.at(options);
  if (!entry) entry = std::make_unique<const T>(static_cast<char>('A' + options - 1));
  return *entry;
}

}  // namespace refocus
