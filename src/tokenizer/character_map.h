// A precompiled character map: SentencePiece's table of what to write for which characters, as its models and
// the Precompiled normalizers of tokenizer.json files hold it.
//
// Layout: the size of a double-array trie in bytes (32 bits, little-endian), the trie's units, then strings
// ended by NUL that the trie's values point to. The units are those of darts-clone: bit 31 marks a value, bit
// 8 a node that has one, bits 10 and up (shifted by 8 where bit 9 is set) the offset of the children.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

// Whether every step that any text could take through the trie stays inside. An empty map is sound.
bool is_sound_character_map(std::string_view map);

class CharacterMap {
 public:
  // InputError (naming `where`) for a map that is not sound, or is empty.
  CharacterMap(const std::string& where, std::string_view map);

  // `text` (valid UTF-8) as Hugging Face tokenizers' Precompiled normalizes it: grapheme clusters of up to
  // five bytes as a whole where the map has them or their beginning, all others character by character.
  // Stops once the result has more than `max_size` bytes.
  std::string apply(std::string_view text, std::size_t max_size) const;

 private:
  // What the shortest entry that `text` starts with becomes; nothing where the map has none.
  std::optional<std::string_view> find(std::string_view text) const;

  std::vector<std::uint32_t> units_;
  std::string strings_;
};

}  // namespace refocus
