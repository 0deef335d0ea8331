// A map from pieces of a vocabulary to their ids: all texts in one string and open addressing, so that a
// vocabulary of hundreds of thousands of pieces is built and thrown away in milliseconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

class PieceMap {
 public:
  // Makes room for this many pieces.
  void reserve(std::size_t pieces);
  // Adds a piece; one that is there keeps its id.
  void insert(std::string_view piece, std::int32_t id) { entry_of(piece, id); }
  // Adds a piece, or gives one that is there another id.
  void assign(std::string_view piece, std::int32_t id) { entries_[entry_of(piece, id)].id = id; }
  std::optional<std::int32_t> find(std::string_view piece) const;

  std::size_t size() const { return entries_.size(); }
  // The pieces in the order in which they were added, valid until the next one is.
  std::string_view piece(std::size_t place) const;
  std::int32_t id(std::size_t place) const { return entries_[place].id; }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct Entry {
    std::size_t begin;  // in texts_; it ends where the next one begins
    std::int32_t id;
  };
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t entry = kNone;
  };

  std::size_t entry_of(std::string_view piece, std::int32_t id);
  // The slot of a piece, or the empty one where it would go.
  std::size_t slot_of(std::string_view piece, std::uint32_t hash) const;
  void resize(std::size_t slots);

  std::string texts_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;  // a power of two, at most two thirds of them taken
};

}  // namespace refocus
