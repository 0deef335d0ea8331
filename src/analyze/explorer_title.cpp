#include "analyze/explorer_title.h"

#include <string_view>

namespace refocus {
namespace {

constexpr std::size_t kLongest = 80;  // bytes of the prompt

// With one blank for white space of any kind and length, and none at the ends.
std::string on_one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool blank = static_cast<unsigned char>(c) <= ' ';
    if (!blank) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string prompt_text(const JsonNode<nlohmann::json>& capture) {
  const auto count = capture.find("prompt_tokens"), tokens = capture.find("tokens");
  if (!count || !tokens) return "";  // a task
  std::string text;
  std::int64_t left = count->whole();
  for (const auto& token : tokens->items()) {
    if (left-- == 0 || text.size() > 4 * kLongest) break;
    if (const auto part = token.find("text")) text += part->text();
  }
  return on_one_line(text);
}

}  // namespace

std::string explorer_title(const JsonNode<nlohmann::json>& capture) {
  const auto path = capture.at("model").find("path");
  const std::string model = path ? path->text() : "a model";
  const std::string prompt = printable(prompt_text(capture), kLongest);
  return prompt.empty() ? "Attention of " + model : prompt + " – attention of " + model;
}

}  // namespace refocus
