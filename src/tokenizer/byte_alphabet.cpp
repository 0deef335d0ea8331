#include "tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>

#include "base/utf8.h"

namespace refocus {
namespace {

std::array<char32_t, 256> byte_alphabet() {
  std::array<char32_t, 256> alphabet{};
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    alphabet[byte] = prints ? byte : next++;
  }
  return alphabet;
}

}  // namespace

std::string spell_bytes(std::string_view text) {
  static const std::array<std::string, 256> letters = [] {
    std::array<std::string, 256> table;
    const auto alphabet = byte_alphabet();
    for (std::size_t byte = 0; byte < 256; ++byte) append_utf8(alphabet[byte], table[byte]);
    return table;
  }();
  std::string out;
  out.reserve(2 * text.size());
  for (const char c : text) out += letters[static_cast<unsigned char>(c)];
  return out;
}

std::optional<std::string> spelled_bytes(std::string_view spelling) {
  static const std::array<std::int16_t, 0x200> bytes = [] {
    std::array<std::int16_t, 0x200> table;
    table.fill(-1);
    const auto alphabet = byte_alphabet();
    for (std::size_t byte = 0; byte < 256; ++byte) table[alphabet[byte]] = static_cast<std::int16_t>(byte);
    return table;
  }();
  std::string out;
  while (!spelling.empty()) {
    const Utf8Step step = utf8_step(spelling);
    spelling.remove_prefix(static_cast<std::size_t>(step.length));
    if (step.code_point >= bytes.size() || bytes[step.code_point] < 0) return std::nullopt;
    out.push_back(static_cast<char>(bytes[step.code_point]));
  }
  return out;
}

}  // namespace refocus
