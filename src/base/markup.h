// Characters that markup (HTML, XML) gives a meaning.
#pragma once

namespace refocus {

// The entity that stands for `c` in the content of an element and in an attribute between quotes of either
// kind; null where c may stand as it is.
constexpr const char* markup_entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return nullptr;
  }
}

}  // namespace refocus
