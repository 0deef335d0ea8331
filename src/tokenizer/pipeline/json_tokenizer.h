// The tokenizer that a tokenizer.json describes: added tokens, normalizer, pre-tokenizer, model, decoder.
// How the file is read stands in tokenizer_json.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/pipeline/normalizer.h"
#include "tokenizer/pipeline/pre_tokenizer.h"
#include "tokenizer/pipeline/token_decoder.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unigram.h"

namespace refocus {

class JsonTokenizer : public Tokenizer {
 public:
  // `root` is the file's content; `where` names it in messages.
  JsonTokenizer(std::string where, JsonObject root, const ModelSettings& settings);

 protected:
  void encode_stretch(std::string_view text, bool first, EncodeOptions options,
                      std::vector<std::int32_t>& ids) const override;
  std::string normalized_content(std::string_view content) const override {
    return normalizer_.apply(content);
  }

  DecodedPiece decoded_content(const AddedToken& token) const override {
    // Bytes that the normalizer spelled are what the decoder reads.
    const bool spelled = token.normalized && normalizer_.spells_bytes();
    return decoder_->text_of(spelled ? normalizer_.apply(token.content) : token.content, /*first=*/false);
  }
  DecodedPiece decoded_first(const TokenTable::Entry& entry) const override {
    return decoder_->text_of(entry.piece, /*first=*/true);
  }

 private:
  void read_model(JsonObject model);
  void read_bpe(JsonObject model);
  void read_unigram(JsonObject model);
  void read_vocab(JsonObject model, PieceMap& pieces);
  std::vector<Bpe::Merge> read_merges(JsonObject model) const;
  void read_added_tokens(JsonObject root);
  void define_bytes();

  std::string where_;
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  std::optional<TokenDecoder> decoder_;
  std::variant<std::monostate, Bpe, Unigram> model_;
};

}  // namespace refocus
