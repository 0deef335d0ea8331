#include "base/utf8.h"

#include <cstring>

namespace refocus {
namespace {

// The bytes of `text` before its first byte that is not ASCII.
std::size_t ascii_prefix(std::string_view text) {
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    if ((word & 0x8080808080808080ULL) != 0) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

}  // namespace

Utf8Step utf8_step(std::string_view text) {
  const auto byte = [&](int i) { return static_cast<unsigned char>(text[static_cast<std::size_t>(i)]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1, Utf8Status::kValid};
  if (lead < 0xC2 || lead > 0xF4) return {0, 1, Utf8Status::kInvalid};
  const int length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t code_point = lead & (0x7FU >> length);
  // The second byte's range excludes overlong forms, surrogates and values past U+10FFFF (Unicode table 3-7).
  unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (int i = 1; i < length; ++i) {
    if (i >= static_cast<int>(text.size())) return {0, i, Utf8Status::kTruncated};
    if (byte(i) < low || byte(i) > high) return {0, i, Utf8Status::kInvalid};
    code_point = (code_point << 6) | (byte(i) & 0x3FU);
    low = 0x80;
    high = 0xBF;
  }
  return {code_point, length, Utf8Status::kValid};
}

std::size_t last_code_point(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

bool is_valid_utf8(std::string_view text) {
  while (true) {
    text.remove_prefix(ascii_prefix(text));
    if (text.empty()) return true;
    const Utf8Step step = utf8_step(text);
    if (step.status != Utf8Status::kValid) return false;
    text.remove_prefix(static_cast<std::size_t>(step.length));
  }
}

std::string replace_invalid_utf8(std::string_view text) {
  Utf8Assembler assembler(Utf8Assembler::Custom::kMaximalSubpart);
  std::string out = assembler.push(text);
  return out += assembler.finish();
}

void append_utf8(char32_t code_point, std::string& out) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

void Utf8Assembler::replace(int bytes, std::string& out) const {
  const int count = custom_ == Custom::kEachByte ? bytes : 1;
  for (int i = 0; i < count; ++i) out += kReplacementCharacter;
}

std::string Utf8Assembler::push(std::string_view bytes) {
  std::string joined;
  if (!pending_.empty()) {
    joined = pending_.append(bytes);
    bytes = joined;
    pending_.clear();
  }
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t ascii = ascii_prefix(bytes);
    out += bytes.substr(0, ascii);
    bytes.remove_prefix(ascii);
    if (bytes.empty()) break;
    const Utf8Step step = utf8_step(bytes);
    if (step.status == Utf8Status::kTruncated) {
      pending_ = bytes;
      break;
    }
    if (step.status == Utf8Status::kValid) {
      out += bytes.substr(0, static_cast<std::size_t>(step.length));
    } else {
      replace(step.length, out);
    }
    bytes.remove_prefix(static_cast<std::size_t>(step.length));
  }
  return out;
}

std::string Utf8Assembler::finish() {
  std::string out;
  if (!pending_.empty()) replace(static_cast<int>(pending_.size()), out);
  pending_.clear();
  return out;
}

}  // namespace refocus
