#include "eval/text/table_text.h"

#include <algorithm>

#include "base/error.h"
#include "eval/text/display_width.h"

namespace refocus {

std::string repeated(char c, int times) {
  return std::string(static_cast<std::size_t>(std::max(0, times)), c);
}

std::string right(const std::string& text, int width) {
  return repeated(' ', width - display_width(text)) + text;
}

std::string left(const std::string& text, int width) {
  return text + repeated(' ', width - display_width(text));
}

std::string with_thousands(std::int64_t value) {
  const std::string digits = std::to_string(value);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string one_decimal(const std::optional<double>& value) {
  return value ? fmt::format("{:.1f}", *value) : "-";
}

std::optional<double> in_percent(std::optional<double> value) {
  if (value) *value *= 100;
  return value;
}

std::string points_end(double fraction) {
  const std::string text = fmt::format("{:+.1f}", 100 * fraction);
  if (text != "+0.0" && text != "-0.0") return text;
  return fraction == 0 ? "0.0" : fmt::format("{:+.1g}", 100 * fraction);
}

std::string shown_group(const std::string& name, int longest) {
  if (name == "stem") return "STEM";
  if (name == "non_stem") return "non-STEM";
  if (name == "seen" || name == "unseen") return name;  // adjectives, as non-STEM is
  std::string shown = name;
  std::replace(shown.begin(), shown.end(), '_', ' ');
  if (shown[0] >= 'a' && shown[0] <= 'z') shown[0] = static_cast<char>(shown[0] - 'a' + 'A');
  return printable(shown, static_cast<std::size_t>(longest));
}

void TextLines::line(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  out_ += text + "\n";
}

}  // namespace refocus
