// A text in one plain spelling, for rules whose patterns know ASCII: what looks or is laid out the same is
// written the same. Each byte keeps the place it came from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eval/text/pattern.h"

namespace refocus {

// Whether a byte belongs to a word, as a pattern's \w.
inline bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// Blanks of any kind become ' ', line ends '\n'; invisible characters (zero width, direction, soft hyphen,
// variation selectors, controls) go; typographic quotes and hyphens, full-width and styled letters become
// their ASCII twins. Of markup, LaTeX's font commands and spaces and HTML's font tags and <br> count as what
// they show, and text that is struck out (~~so~~, <del>, \cancel) is gone. Other bytes stay, valid or not.
class PlainText {
 public:
  explicit PlainText(std::string_view original);

  const std::string& text() const { return text_; }

  // The bytes of the original that bytes [begin, end) of text() came from; not empty where `plain` is not.
  Span original(Span plain) const;

 private:
  void add(char c, Span from);

  std::string text_;
  std::vector<Span> from_;  // of each byte of text_
  std::size_t size_ = 0;    // of the original
};

}  // namespace refocus
