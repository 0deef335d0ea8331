// Byte pair encoding of one word: starts from characters (or bytes) and merges the pair of lowest rank until
// no known pair is left (Sennrich et al., arXiv 1508.07909; ties go to the leftmost pair).
//
// O(n log n) in the word's length, since tokenizers without a pre-tokenizer make a whole text one word. Such
// a word is first cut where no merge can ever reach across, which gives the same tokens several times faster.
// Not here: pre-tokenization, added tokens, and the byte-to-character alphabet of byte-level files.
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

struct BpeOptions {
  bool byte_level = false;     // words and pieces are bytes; otherwise UTF-8 characters
  bool ignore_merges = false;  // a word that is itself a piece becomes that token whatever the merges say
  bool fuse_unknown = false;   // unknown characters in a row become one unknown token
  // Ids of <0x00>..<0xFF> for characters without a piece, or -1: all of them, or no byte fallback. A
  // character with a byte that has none is unknown.
  std::array<std::int32_t, 256> byte_tokens;
  std::int32_t unknown = -1;  // id of the unknown token, or -1
};

class Bpe {
 public:
  struct Merge {
    std::int32_t left = 0, right = 0, result = 0;  // token ids; the rank is the place in the list
  };

  // `pieces` maps a piece (as bytes where byte_level) to its id.
  Bpe(PieceMap pieces, const std::vector<Merge>& merges, const BpeOptions& options);

  // Appends the ids of `word`: valid UTF-8, or any bytes where byte_level. A character that has no token,
  // where there is neither byte fallback nor an unknown token, is left out, as Hugging Face tokenizers and
  // llama.cpp have it (SmolLM's vocabulary lacks six control characters).
  void encode(std::string_view word, std::vector<std::int32_t>& ids) const;

 private:
  struct Target {
    std::int32_t rank, result;
  };
  struct Nothing {};

  void find_junctions(const std::vector<Merge>& merges);
  void initial_symbols(std::string_view word, std::vector<std::int32_t>& symbols) const;
  bool append_bytes(std::string_view character, std::vector<std::int32_t>& symbols) const;
  void merge(std::vector<std::int32_t>& symbols) const;
  void merge_short(std::vector<std::int32_t>& symbols) const;
  void merge_long(std::vector<std::int32_t>& symbols) const;

  PieceMap pieces_;
  BpeOptions options_;
  std::array<std::int32_t, 256> single_byte_{};  // the id of each one-byte piece, or -1
  PairMap<Target> merges_;
  // The pairs of initial symbols that some merge brings together; between any others a word can be cut.
  PairMap<Nothing> junctions_;
  bool can_cut_ = true;
};

}  // namespace refocus
