// What each token id stands for: its vocabulary piece, the bytes it decodes to, and its kind.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/decoded_piece.h"
#include "tokenizer/piece_map.h"

namespace refocus {

enum class TokenKind : std::uint8_t {
  kMissing,  // a gap in the ids
  kNormal,
  kByte,     // one byte of a character that has no piece of its own
  kAdded,    // an added token that is not special
  kSpecial,  // a control token such as <s>, and the unknown token
};

// What stands for an id without a token in a file that cannot have holes, such as GGUF ("[PAD7]", as
// llama.cpp's converter writes it). A token of that spelling and of type "unused" is none.
std::string placeholder(std::int64_t id);
bool is_placeholder(std::string_view piece, std::int64_t id);

class TokenTable {
 public:
  // Ids beyond this are refused, so that a small file cannot ask for much memory: four times the largest
  // known vocabulary.
  static constexpr std::int64_t kMaxIds = 1 << 20;

  struct Entry {
    std::string piece;
    std::string bytes;
    TokenKind kind = TokenKind::kMissing;
    bool fallback_byte = false;  // as in DecodedPiece
  };

  // Makes room for this many tokens.
  void reserve(std::size_t tokens);
  // Defines the token `id`. InputError (naming `where`) where the id is out of range or already taken.
  void define(const std::string& where, std::int64_t id, Entry entry);
  // Changes the kind and the decoded bytes of a defined token.
  void redefine(std::int32_t id, TokenKind kind, DecodedPiece decoded);

  int size() const { return static_cast<int>(entries_.size()); }
  // Whether `id` is defined.
  bool contains(std::int64_t id) const {
    return id >= 0 && id < size() && entries_[static_cast<std::size_t>(id)].kind != TokenKind::kMissing;
  }
  // The token `id`. InputError where it is not defined.
  const Entry& at(std::int64_t id) const;
  // The id of a piece, where the vocabulary has it.
  std::optional<std::int32_t> find(std::string_view piece) const { return ids_.find(piece); }

 private:
  std::vector<Entry> entries_;
  PieceMap ids_;
};

}  // namespace refocus
