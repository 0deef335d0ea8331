// The unigram language model of a tokenizer.json: cuts a word into the pieces whose scores add up to most
// (Kudo, arXiv 1804.10959; the best path of Viterbi, as SentencePiece and Hugging Face tokenizers find it).
//
// O(n m) in the word's length n and the longest piece's m. Not here: sampling, byte-level words.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/pair_map.h"
#include "tokenizer/piece_map.h"

namespace refocus {

class Unigram {
 public:
  struct Piece {
    std::string text;
    double score = 0;
  };

  // The place of a piece is its id; of equal pieces the last counts. `unknown` is the id of the unknown
  // token; `byte_fallback`: what has no piece becomes the tokens <0x00>..<0xFF> of its bytes, where there are
  // all of them. `where` names the file in errors.
  Unigram(std::string where, const std::vector<Piece>& pieces, std::optional<std::int32_t> unknown,
          bool byte_fallback);

  // Appends the ids of `word`, valid UTF-8. InputError where a character has no piece and there is no
  // unknown token.
  void encode(std::string_view word, std::vector<std::int32_t>& ids) const;

 private:
  struct Best {
    double score = 0;
    std::int64_t from = -1;  // where the last piece begins; -1: no path ends here
    std::int32_t id = -1;
  };
  void extend(std::string_view word, std::size_t at, std::vector<Best>& best) const;
  void append_unknown(std::string_view text, std::vector<std::int32_t>& ids) const;

  std::string where_;
  std::vector<double> scores_;
  PieceMap ids_;
  PairMap<std::int32_t> edges_;           // a trie over the pieces' bytes: (node, byte) to node, 0 the root
  std::vector<std::int32_t> node_piece_;  // the piece that ends at a node, or -1
  std::optional<std::int32_t> unknown_;
  double unknown_score_ = 0;
  std::array<std::int32_t, 256> byte_tokens_;
};

}  // namespace refocus
