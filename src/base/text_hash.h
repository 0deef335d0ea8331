// A number for a text that is the same on every machine: FNV-1a, 64 bits (Fowler, Noll, Vo). It names,
// and protects nothing.
#pragma once

#include <cstdint>
#include <string_view>

namespace refocus {

constexpr std::uint64_t text_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace refocus
