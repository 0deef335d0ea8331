// Texts of models and data files on a terminal: safe to print, wrapped to its width, with the places marked
// that rules read letters from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "eval/audit/audit.h"

namespace refocus {

// Bits that say what a piece of text is.
enum TextMark : unsigned {
  kPlain = 0,
  kReadAnchored = 1,   // the anchored rules read it
  kReadPublished = 2,  // the published rules read it
  kReadBoth = 3,
  kEscape = 4,  // stands for a character that is not shown
};

struct MarkedSpan {
  std::int64_t begin = 0, end = 0;  // bytes of the text
  unsigned mark = kPlain;
};

struct TextPiece {
  std::string text;  // printable, valid UTF-8
  unsigned mark = kPlain;
};
using TextLine = std::vector<TextPiece>;

// `text` (valid UTF-8) in lines of at most `width` columns (at least 10), broken between words where
// possible. Line feeds end a line, tabs are blanks. Characters that could act on a terminal or change how
// other text looks (controls, escapes, changes of direction, invisible ones) become <U+001B>.
std::vector<TextLine> wrapped(std::string_view text, int width, const std::vector<MarkedSpan>& marks = {});

// Where the rules read an answer's letters; none for a rule that read the whole response.
std::vector<MarkedSpan> marks_of(const AuditedAnswer& answer);

// A line without colours: anchored places are [[so]], published ones {{so}}, of both {[so]}.
std::string plain_text(const TextLine& line);
// With ANSI colours.
std::string coloured_text(const TextLine& line);

// An answer's response, as plain lines.
std::vector<std::string> marked_lines(const AuditedAnswer& answer, int width);

}  // namespace refocus
