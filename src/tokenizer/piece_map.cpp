#include "tokenizer/piece_map.h"

#include <bit>
#include <functional>

namespace refocus {
namespace {

std::uint32_t hash_of(std::string_view piece) {
  const std::uint64_t hash = std::hash<std::string_view>{}(piece);
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}

std::size_t slots_for(std::size_t pieces) { return std::bit_ceil(pieces + pieces / 2 + 2); }

}  // namespace

std::string_view PieceMap::piece(std::size_t place) const {
  const std::size_t begin = entries_[place].begin;
  const std::size_t end = place + 1 < entries_.size() ? entries_[place + 1].begin : texts_.size();
  return std::string_view(texts_).substr(begin, end - begin);
}

std::size_t PieceMap::slot_of(std::string_view piece, std::uint32_t hash) const {
  std::size_t at = hash & (slots_.size() - 1);
  for (; slots_[at].entry != kNone; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].hash == hash && this->piece(slots_[at].entry) == piece) break;
  }
  return at;
}

void PieceMap::resize(std::size_t slots) {
  const std::vector<Slot> old = std::move(slots_);
  slots_.assign(slots, Slot());
  for (const Slot& slot : old) {
    if (slot.entry == kNone) continue;
    std::size_t at = slot.hash & (slots - 1);
    while (slots_[at].entry != kNone) at = (at + 1) & (slots - 1);
    slots_[at] = slot;
  }
}

void PieceMap::reserve(std::size_t pieces) {
  entries_.reserve(pieces);
  const std::size_t slots = slots_for(pieces);
  if (slots > slots_.size()) resize(slots);
}

std::size_t PieceMap::entry_of(std::string_view piece, std::int32_t id) {
  if (slots_for(entries_.size() + 1) > slots_.size()) resize(slots_for(2 * entries_.size() + 8));
  const std::uint32_t hash = hash_of(piece);
  Slot& slot = slots_[slot_of(piece, hash)];
  if (slot.entry == kNone) {
    slot = {hash, static_cast<std::uint32_t>(entries_.size())};
    entries_.push_back({texts_.size(), id});
    texts_ += piece;
  }
  return slot.entry;
}

std::optional<std::int32_t> PieceMap::find(std::string_view piece) const {
  if (entries_.empty()) return std::nullopt;
  const Slot& slot = slots_[slot_of(piece, hash_of(piece))];
  if (slot.entry == kNone) return std::nullopt;
  return entries_[slot.entry].id;
}

}  // namespace refocus
