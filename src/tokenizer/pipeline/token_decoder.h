// The "decoder" of a tokenizer.json: what becomes of the pieces of tokens when they are put together to text.
//
// Known: ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, Sequence, in the orders in which a token's
// text is known without the tokens beside it: first what changes pieces one by one (Replace, Strip,
// Metaspace), then ByteFallback, then Fuse or ByteLevel, then one Strip of the whole text. Any other type or
// order is an error. Follows Hugging Face tokenizers (decoders/*.rs).
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/decoded_piece.h"
#include "tokenizer/json.h"
#include "tokenizer/pipeline/normalizer.h"

namespace refocus {

class TokenDecoder {
 public:
  TokenDecoder(std::string where, JsonObject json);

  // What a token of this piece contributes to the text. `first`: whether it is the first token shown, which
  // makes a difference only where first_differs(). InputError where a piece would become many times longer
  // (a hostile file).
  DecodedPiece text_of(std::string_view piece, bool first) const;
  bool first_differs() const { return first_differs_; }
  bool byte_fallback() const { return byte_fallback_; }
  const TextStrip& strip() const { return strip_; }

 private:
  struct Replace {
    TextPattern pattern;
    std::string content;
  };
  struct Metaspace {
    std::string replacement;
    bool prefixed = true;  // then the first token loses its replacements
  };
  struct ByteLevel {};

  void add(JsonObject json);
  void add_replace(JsonObject json);
  void add_strip(JsonObject json);
  void add_metaspace(JsonObject json);
  std::string changed(std::string_view piece, bool first) const;

  std::string where_;
  std::vector<std::variant<Replace, TextStrip, Metaspace, ByteLevel>> steps_;
  TextStrip strip_;
  bool byte_fallback_ = false;
  bool fused_ = false;  // the steps so far make one text of the tokens
  bool first_differs_ = false;
};

}  // namespace refocus
