#include "tokenizer/character_map.h"

#include <utf8proc.h>

#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/utf8.h"

namespace refocus {
namespace {

constexpr std::uint32_t kValue = 1U << 31, kHasLeaf = 1U << 8;

std::uint64_t offset_of(std::uint32_t unit) { return std::uint64_t{unit >> 10} << ((unit & (1U << 9)) >> 6); }

struct Parts {
  std::vector<std::uint32_t> units;
  std::string_view strings;
};

std::optional<Parts> parts_of(std::string_view map) {
  std::uint32_t trie_bytes = 0;
  if (map.size() < 4) return std::nullopt;
  std::memcpy(&trie_bytes, map.data(), 4);
  if (trie_bytes % 4 != 0 || trie_bytes >= map.size() - 4 || trie_bytes < 1024) return std::nullopt;
  Parts out;
  out.units.resize(trie_bytes / 4);
  std::memcpy(out.units.data(), map.data() + 4, trie_bytes);
  out.strings = map.substr(4 + trie_bytes);
  if (out.strings.back() != '\0') return std::nullopt;
  for (std::uint64_t i = 0; i < out.units.size(); ++i) {
    const std::uint32_t unit = out.units[i];
    if ((unit & kValue) != 0) continue;  // a value: no text leads further
    const std::uint64_t children = i ^ offset_of(unit);
    if ((children | 0xFF) >= out.units.size()) return std::nullopt;
    if ((unit & kHasLeaf) != 0 && (out.units[children] & ~kValue) >= out.strings.size()) return std::nullopt;
  }
  return out;
}

// How many bytes the first grapheme cluster of `text` has.
std::size_t cluster_length(std::string_view text) {
  utf8proc_int32_t state = 0;
  Utf8Step step = utf8_step(text);
  std::size_t length = static_cast<std::size_t>(step.length);
  while (length < text.size()) {
    const Utf8Step next = utf8_step(text.substr(length));
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(step.code_point),
                                         static_cast<utf8proc_int32_t>(next.code_point), &state)) {
      break;
    }
    length += static_cast<std::size_t>(next.length);
    step = next;
  }
  return length;
}

}  // namespace

bool is_sound_character_map(std::string_view map) { return map.empty() || parts_of(map).has_value(); }

CharacterMap::CharacterMap(const std::string& where, std::string_view map) {
  auto parts = parts_of(map);
  bool sound = parts && is_valid_utf8(parts->strings);
  for (std::uint64_t i = 0; sound && i < parts->units.size(); ++i) {
    const std::uint32_t unit = parts->units[i];
    if ((unit & kValue) != 0 || (unit & kHasLeaf) == 0) continue;
    // A value points to the beginning of a character.
    const std::uint32_t value = parts->units[i ^ offset_of(unit)] & ~kValue;
    sound = (static_cast<unsigned char>(parts->strings[value]) & 0xC0) != 0x80;
  }
  if (!sound) {
    throw input_error(where,
                      "expected a precompiled character map, got one that is damaged; download it again");
  }
  units_ = std::move(parts->units);
  strings_ = parts->strings;
}

std::optional<std::string_view> CharacterMap::find(std::string_view text) const {
  std::uint64_t node = offset_of(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) break;
    node ^= byte;
    const std::uint32_t unit = units_[node];
    if ((unit & (kValue | 0xFF)) != byte) break;
    node ^= offset_of(unit);
    if ((unit & kHasLeaf) != 0) {
      const std::size_t begin = units_[node] & ~kValue;
      return std::string_view(strings_).substr(begin, strings_.find('\0', begin) - begin);
    }
  }
  return std::nullopt;
}

std::string CharacterMap::apply(std::string_view text, std::size_t max_size) const {
  constexpr std::size_t kShortCluster = 6;
  std::string out;
  out.reserve(text.size());
  while (!text.empty() && out.size() <= max_size) {
    std::string_view cluster = text.substr(0, cluster_length(text));
    text.remove_prefix(cluster.size());
    if (cluster.size() < kShortCluster) {
      if (const auto whole = find(cluster)) {
        out += *whole;
        continue;
      }
    }
    while (!cluster.empty()) {
      const auto character = cluster.substr(0, static_cast<std::size_t>(utf8_step(cluster).length));
      cluster.remove_prefix(character.size());
      out += find(character).value_or(character);
    }
  }
  return out;
}

}  // namespace refocus
