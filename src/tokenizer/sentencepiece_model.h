// What Refocus itself needs to know of a tokenizer.model file, and the checks that the SentencePiece library
// does not make.
//
// The file is a protocol buffer (sentencepiece_model.proto of github.com/google/sentencepiece); only a few
// fields are read here. The library does the encoding.
#pragma once

#include <string>
#include <string_view>

namespace refocus {

struct SentencePieceFacts {
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
};

// Walks the file. InputError where it is malformed, or has what would make the library read out of bounds (a
// broken character map) or what decoding here does not cover (a denormalizer, white space as a suffix).
SentencePieceFacts check_sentencepiece_model(const std::string& where, std::string_view file);

}  // namespace refocus
