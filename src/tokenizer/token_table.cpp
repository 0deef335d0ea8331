#include "tokenizer/token_table.h"

#include "base/error.h"

namespace refocus {

std::string placeholder(std::int64_t id) { return fmt::format("[PAD{}]", id); }
bool is_placeholder(std::string_view piece, std::int64_t id) { return piece == placeholder(id); }

void TokenTable::reserve(std::size_t tokens) {
  entries_.reserve(tokens);
  ids_.reserve(tokens);
}

void TokenTable::define(const std::string& where, std::int64_t id, Entry entry) {
  if (id < 0 || id >= kMaxIds) {
    throw input_error(where, "expected token ids from 0 to {}, got {} for '{}'; the file is damaged",
                      kMaxIds - 1, id, printable(entry.piece));
  }
  if (contains(id)) {
    throw input_error(where, "expected one token for id {}, got '{}' and '{}'; the file is damaged", id,
                      printable(at(id).piece), printable(entry.piece));
  }
  if (id >= size()) entries_.resize(static_cast<std::size_t>(id) + 1);
  ids_.insert(entry.piece, static_cast<std::int32_t>(id));
  entries_[static_cast<std::size_t>(id)] = std::move(entry);
}

void TokenTable::redefine(std::int32_t id, TokenKind kind, DecodedPiece decoded) {
  Entry& entry = entries_.at(static_cast<std::size_t>(id));
  entry.kind = kind;
  entry.bytes = std::move(decoded.bytes);
  entry.fallback_byte = decoded.fallback_byte;
}

const TokenTable::Entry& TokenTable::at(std::int64_t id) const {
  if (!contains(id)) {
    throw input_error(
        "token ids",
        "expected ids of the vocabulary (0 to {}), got {}; were they made with another tokenizer?",
        size() - 1, id);
  }
  return entries_[static_cast<std::size_t>(id)];
}

}  // namespace refocus
