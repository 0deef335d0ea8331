#include "eval/utf8_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace refocus {
namespace {

// Calls on_code_point for each code point; false at the first ill-formed byte.
template <class OnCodePoint>
bool walk_utf8(std::string_view text, const OnCodePoint& on_code_point) {
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  auto left = static_cast<utf8proc_ssize_t>(text.size());
  while (left > 0) {
    utf8proc_int32_t code_point = 0;
    const utf8proc_ssize_t used = utf8proc_iterate(at, left, &code_point);
    if (used <= 0) return false;
    on_code_point(code_point);
    at += used;
    left -= used;
  }
  return true;
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  return walk_utf8(text, [](utf8proc_int32_t) {});
}

std::string valid_utf8(std::string_view text) {
  if (is_valid_utf8(text)) return std::string(text);
  // utf8proc has no replacing decoder; the JSON library's writer does, and reading its output undoes the
  // escapes.
  const std::string escaped =
      nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json::parse(escaped).get<std::string>();
}

int display_width(std::string_view text) {
  int width = 0;
  const std::string valid = valid_utf8(text);
  walk_utf8(valid,
            [&](utf8proc_int32_t code_point) { width += std::max(0, utf8proc_charwidth(code_point)); });
  return width;
}

}  // namespace refocus
