// What tokens contribute to a text, and what a text loses at its ends.
#pragma once

#include <cstdint>
#include <string>

namespace refocus {

struct DecodedPiece {
  std::string bytes;  // may be part of a character
  // Whether the piece is one byte of a run that decodes as a whole (the ByteFallback of a tokenizer.json).
  bool fallback_byte = false;
};

// Characters that decoding takes away at the ends of a text.
struct TextStrip {
  std::string character;             // one; empty: nothing is taken
  std::int64_t start = 0, stop = 0;  // at most so many
};

}  // namespace refocus
