// What Refocus itself needs to know of a tokenizer.model file, and the checks that the SentencePiece library
// does not make.
//
// The file is a protocol buffer (sentencepiece_model.proto of github.com/google/sentencepiece); only a few
// fields are read here. The library does the encoding.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/stored_vocabulary.h"
#include "tokenizer/tokenizer.h"

namespace refocus {

struct SentencePieceFacts {
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool bpe = false;           // otherwise a unigram model or another kind
  std::string character_map;  // the precompiled normalization, or empty
};

// A piece of the vocabulary; the place of a piece is its id.
struct SentencePiecePiece {
  std::string text;
  float score = 0;
  StoredTokenType type = StoredTokenType::kNormal;
};

// The pieces of such a file. InputError where it is malformed.
std::vector<SentencePiecePiece> sentencepiece_pieces(const std::string& where, std::string_view file);

// Walks the file. InputError where it is malformed, or has what would make the library read out of bounds (a
// broken character map) or what decoding here does not cover (a denormalizer, white space as a suffix).
SentencePieceFacts check_sentencepiece_model(const std::string& where, std::string_view file);

// The tokenizer of such a file's bytes; `where` names it in messages. InputError as above.
std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(std::string where, const std::string& file,
                                                        const ModelSettings& settings);

}  // namespace refocus
