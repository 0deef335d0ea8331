#include "eval/code_points.h"

#include <utf8proc.h>

namespace refocus {

namespace {

// Reads one code point at `at`; its length in bytes, or 0 where there is none.
std::size_t next_code_point(std::string_view text, std::size_t at, char32_t& code) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at;
  if (*bytes < 0x80) {
    code = *bytes;
    return 1;
  }
  utf8proc_int32_t value = -1;
  const auto length = utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size() - at), &value);
  if (length <= 0) return 0;
  code = static_cast<char32_t>(value);
  return static_cast<std::size_t>(length);
}

}  // namespace

std::size_t first_invalid_utf8(std::string_view text) {
  char32_t code = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = next_code_point(text, at, code);
    if (length == 0) return at;
    at += length;
  }
  return text.size();
}

std::vector<CodePoint> decode_utf8(std::string_view text) {
  std::vector<CodePoint> out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    char32_t code = 0;
    std::size_t length = next_code_point(text, at, code);
    if (length == 0) {
      code = 0xFFFD;
      length = 1;
    }
    out.push_back({code, at, at + length});
    at += length;
  }
  return out;
}

std::u32string code_points(std::string_view text) {
  std::u32string out;
  for (const CodePoint& c : decode_utf8(text)) out += c.code;
  return out;
}

void append_utf8(std::string& out, char32_t code) {
  utf8proc_uint8_t bytes[4];
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
}

}  // namespace refocus
