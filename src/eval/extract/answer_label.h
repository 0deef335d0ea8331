// What a response says at one place: an option's letter that stands like a label, an option's full text, or
// the denial of one. The word-level half of the anchored extraction; which places to look at is decided
// elsewhere.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/extract/option_text.h"
#include "eval/text/pattern.h"

namespace refocus {

// A response beside its options, with what several rules need found once.
struct Reply {
  Reply(std::span<const std::string> choices, std::string_view response);

  std::string_view text;
  OptionTexts options;
  std::vector<Quote> quotes;  // options.all(text)
  std::size_t count;          // of options

  // Whether [begin, end) lies inside a quoted option text, whose words are no statement of the reply's own.
  bool quoted(std::size_t begin, std::size_t end) const;
};

struct Reading {
  enum class Kind {
    kNothing,
    kLetter,     // an option chosen by its letter
    kText,       // an option chosen by its text
    kDenied,     // this option is said not to be the answer
    kAmbiguous,  // several options at once ("A or B")
  };
  Kind kind = Kind::kNothing;
  char letter = 0;
  Span span;  // of the letter or text

  bool chosen() const { return kind == Kind::kLetter || kind == Kind::kText; }
};

// The option that the letter at `span`, small or not, stands for.
char letter_of(const Reply& reply, Span span);

// Verdict phrases, for use inside an extended case-blind regex: "is the correct answer", and the weaker
// "is correct", "fits best".
extern const char* const kFirmVerdict;
extern const char* const kVerdict;

// A letter exactly at `at` that stands like a label: before punctuation, a line's end, its own option text, a
// verdict or a reason. "A" before another word is the English article, and no label.
Reading read_label(const Reply& reply, std::size_t at);

// An option's full text exactly at `at`.
Reading read_text(const Reply& reply, std::size_t at);

enum class Reach {
  kBare,  // past markup and "option", "letter", ...; letters only
  kFull,  // past phrases such as "the correct answer is" too; letters and texts
};

// What is stated from `at` on, which follows an anchor such as "The answer is".
Reading read_statement(const Reply& reply, std::size_t at, Reach reach);

// What is stated after a denial ("the answer is not ..."): the letter after "but", or else the denied one.
Reading read_denial(const Reply& reply, std::size_t at);

// Whether what follows the letter at `span`, which stands alone, denies it ("C is wrong").
bool is_denied(const Reply& reply, Span span);

// Whether the letter at `span` ends a name: "vitamin C", "Plan B", "100 C".
bool ends_name(const Reply& reply, Span span);

// The end of option `letter`'s own text where it stands right after `at`, past punctuation.
std::optional<std::size_t> own_text_after(const Reply& reply, char letter, std::size_t at);

// The end of markup and closing brackets from `at` on.
std::size_t skip_closing(std::string_view text, std::size_t at);

}  // namespace refocus
