// Decodes token ids one at a time and gives out text as soon as it is certain, never half a character. Bytes
// of a tokenizer.json's ByteFallback are certain at the end of their run, which is text as a whole or not.
//
// What push() and finish() return, put together, is what Tokenizer::decode returns for the same ids.
#pragma once

#include <cstdint>
#include <string>

#include "tokenizer/tokenizer.h"

namespace refocus {

class StreamingDecoder {
 public:
  // `tokenizer` must outlive the decoder.
  explicit StreamingDecoder(const Tokenizer& tokenizer, DecodeOptions options = {});

  // The text that this token completes: valid UTF-8, possibly empty. An id that the vocabulary lacks
  // completes none and changes nothing.
  std::string push(std::int32_t id);
  // What is left at the end: U+FFFD for a character that was never completed. The decoder is then as new.
  std::string finish();

 private:
  std::string end_run();
  std::string strip_start(std::string text);
  std::string hold_end(std::string text);

  const Tokenizer& tokenizer_;
  DecodeOptions options_;
  Utf8Assembler assembler_;
  std::string run_;             // fallback bytes that belong together
  bool at_start_ = true;        // leading spaces may still have to go
  std::int64_t stripped_ = 0;   // characters taken from the start of the text
  std::int64_t held_ = 0;       // characters that go if nothing follows them
  bool start_is_over_ = false;  // nothing more is taken from the start
};

}  // namespace refocus
