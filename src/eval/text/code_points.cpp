#include "eval/text/code_points.h"

#include "base/utf8.h"

namespace refocus {

std::size_t first_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text.substr(at));
    if (step.status != Utf8Status::kValid) return at;
    at += static_cast<std::size_t>(step.length);
  }
  return text.size();
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::vector<CodePoint> decode_utf8(std::string_view text) {
  std::vector<CodePoint> out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text.substr(at));
    const bool valid = step.status == Utf8Status::kValid;
    const std::size_t length = valid ? static_cast<std::size_t>(step.length) : 1;
    out.push_back({valid ? step.code_point : U'\uFFFD', at, at + length});
    at += length;
  }
  return out;
}

std::u32string code_points(std::string_view text) {
  std::u32string out;
  for (const CodePoint& c : decode_utf8(text)) out += c.code;
  return out;
}

}  // namespace refocus
