// Where a response quotes the options' texts. The comparison ignores case, how much white space stands
// between words, typographic quotes and dashes, and full stops at an option's end; it never changes the
// response.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/text/pattern.h"

namespace refocus {

// A quoted option text.
struct Quote {
  Span span;
  std::uint32_t options = 0;  // bit k for option k; several where options have equal texts
  bool brief = false;  // three characters or fewer, or a bare number: too little to stand in a sentence
};

class OptionTexts {
 public:
  explicit OptionTexts(std::span<const std::string> choices);

  // The longest option text that begins at `at` and ends at a word's end.
  std::optional<Quote> longest_at(std::string_view text, std::size_t at) const;

  // The end of option `k`'s text where it begins at `at`.
  std::optional<std::size_t> end_of(int k, std::string_view text, std::size_t at) const;

  // Whether option `k`'s text has `word` in it, or part of a word of it.
  bool mentions(int k, std::string_view word) const;

  // All quotes from left to right, without those inside a longer one.
  std::vector<Quote> all(std::string_view text) const;

 private:
  std::vector<std::string> folded_;
  std::array<bool, 256> may_begin_{};
};

}  // namespace refocus
