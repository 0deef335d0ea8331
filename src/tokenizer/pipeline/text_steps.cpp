#include "tokenizer/pipeline/text_steps.h"

#include <utf8proc.h>

#include "base/utf8.h"

namespace refocus {
namespace {

// Appends to a new text what `change` makes of each code point.
template <class Change>
std::string each_code_point(std::string_view text, const Change& change) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    text.remove_prefix(static_cast<std::size_t>(step.length));
    change(step.code_point, out);
  }
  return out;
}

bool is_nmt_control(char32_t c) {
  return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F ||
         c == 0x9F;
}

bool is_nmt_space(char32_t c) {
  return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
         c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
}

// Unicode's White_Space property.
bool is_unicode_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

}  // namespace

std::string lower_case(std::string_view text) {
  return each_code_point(text, [](char32_t c, std::string& out) {
    if (c == 0x130) {  // the one capital whose lower case is two characters: i and a dot above
      out += "i\xCC\x87";
    } else {
      append_utf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), out);
    }
  });
}

std::string without_marks(std::string_view text) {
  return each_code_point(text, [](char32_t c, std::string& out) {
    const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
    if (category < UTF8PROC_CATEGORY_MN || category > UTF8PROC_CATEGORY_ME) append_utf8(c, out);
  });
}

std::string nmt_text(std::string_view text) {
  return each_code_point(text, [](char32_t c, std::string& out) {
    if (!is_nmt_control(c)) append_utf8(is_nmt_space(c) ? U' ' : c, out);
  });
}

std::string_view without_outer_space(std::string_view text, bool left, bool right) {
  while (left && !text.empty()) {
    const Utf8Step step = utf8_step(text);
    if (!is_unicode_space(step.code_point)) break;
    text.remove_prefix(static_cast<std::size_t>(step.length));
  }
  while (right && !text.empty()) {
    const std::size_t last = last_code_point(text);
    if (!is_unicode_space(utf8_step(text.substr(last)).code_point)) break;
    text = text.substr(0, last);
  }
  return text;
}

}  // namespace refocus
