#include "analyze/pictures/token_label.h"

namespace refocus {

std::string token_label(const nlohmann::json& token, std::int64_t position) {
  constexpr std::size_t kLabelBytes = 18;
  std::string text;
  for (const char* name : {"text", "piece"}) {
    if (text.empty() && token.is_object() && token.contains(name) && token[name].is_string())
      text = token[name];
  }
  if (text.empty()) text = std::to_string(position);
  for (char& c : text) {
    if (c == '\n' || c == '\t' || c == '\r') c = ' ';
  }
  if (text.size() <= kLabelBytes) return text;
  std::size_t end = kLabelBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // between characters
  return text.substr(0, end) + "…";
}

}  // namespace refocus
