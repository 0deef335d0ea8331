// The tokenizer that a tokenizer.json describes: added tokens, normalizer, pre-tokenizer, BPE.
// How the file is read stands in tokenizer_json.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/tokenizer.h"

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

 private:
  struct Decoder {
    bool byte_level = false;
    bool byte_fallback = false;
    std::vector<std::pair<std::string, std::string>> replacements;
  };
  void read_model(JsonObject model);
  void read_vocab(JsonObject model, StringToId& pieces);
  std::vector<Bpe::Merge> read_merges(JsonObject model) const;
  void read_decoder(JsonObject json, Decoder& decoder);
  void read_added_tokens(JsonObject root);
  void define_bytes(const Decoder& decoder);

  std::string where_;
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  std::optional<Bpe> bpe_;
};

}  // namespace refocus
