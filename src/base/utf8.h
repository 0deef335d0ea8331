// UTF-8: stepping over code points, and replacing what is not valid by U+FFFD, whole or piece by piece.
//
// Two customs exist for invalid bytes. Unicode recommends one U+FFFD for each maximal well-formed prefix of
// a sequence (The Unicode Standard, 3.9, "U+FFFD Substitution of Maximal Subparts"), as Python's
// errors="replace" and Rust's from_utf8_lossy do. SentencePiece puts one U+FFFD for each byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace refocus {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

enum class Utf8Status {
  kValid,
  kInvalid,    // `length` bytes are the maximal well-formed prefix (at least one byte)
  kTruncated,  // the text ends inside a sequence that is well-formed so far
};

struct Utf8Step {
  char32_t code_point = 0;  // where valid
  int length = 0;           // bytes to step over
  Utf8Status status = Utf8Status::kValid;
};

// The first code point of `text`, which must not be empty.
Utf8Step utf8_step(std::string_view text);

// Where the last code point of `text` (valid UTF-8, not empty) begins.
std::size_t last_code_point(std::string_view text);

bool is_valid_utf8(std::string_view text);

// `text` with every invalid sequence replaced by one U+FFFD (maximal subparts).
std::string replace_invalid_utf8(std::string_view text);

// Appends `code_point` (a Unicode scalar value) as UTF-8.
void append_utf8(char32_t code_point, std::string& out);

// Turns bytes that arrive piece by piece into valid UTF-8, never giving out half a character.
class Utf8Assembler {
 public:
  enum class Custom { kMaximalSubpart, kEachByte };  // how many U+FFFD stand for an invalid sequence
  explicit Utf8Assembler(Custom custom) : custom_(custom) {}

  // The text that `bytes` completes; the start of an unfinished character (at most three bytes) is kept.
  std::string push(std::string_view bytes);
  // What is left, now that nothing follows: nothing, or U+FFFD for an unfinished character.
  std::string finish();

 private:
  void replace(int bytes, std::string& out) const;

  Custom custom_;
  std::string pending_;
};

}  // namespace refocus
