#include "figure/text_width.h"

#include <algorithm>

#include "base/utf8.h"

namespace refocus::figure {
namespace {

constexpr double kBold = 1.08;  // how much wider Helvetica Bold is, of letters

// Of U+0020 to U+007E, in thousandths of an em (Adobe's Helvetica.afm).
constexpr int kAscii[] = {278,  278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
                          556,  556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
                          1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
                          667,  778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
                          333,  556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
                          556,  556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584};
static_assert(std::size(kAscii) == 0x7F - 0x20);

int thousandths(char32_t c) {
  if (c >= 0x20 && c < 0x7F) return kAscii[c - 0x20];
  if (c < 0x20 || (c >= 0x300 && c < 0x370)) return 0;  // controls are not drawn; combining marks
  if (c == 0x2212) return 584;                          // minus
  if (c == 0x2013) return 556;                          // en dash
  if (c >= 0x2E80 && c != 0xFFFD) return 1000;          // CJK and beyond
  return c == 0x2014 || c == 0x2026 ? 1000 : 722;  // em dash and ellipsis; letters as the widest usual ones
}

// The bytes of the longest beginning that has room, whole characters and at least one.
std::size_t fitting(std::string_view text, double room, const Font& font) {
  std::size_t end = 0;
  while (end < text.size()) {
    const std::size_t next = end + static_cast<std::size_t>(utf8_step(text.substr(end)).length);
    if (end > 0 && width_of(text.substr(0, next), font) > room) break;
    end = next;
  }
  return end;
}

}  // namespace

double helvetica_ems(std::string_view text) {
  int sum = 0;
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    sum += thousandths(step.status == Utf8Status::kValid ? step.code_point : U'\uFFFD');
    text.remove_prefix(static_cast<std::size_t>(step.length));
  }
  return sum / 1000.0;
}

double width_of(std::string_view text, const Font& font, bool bold) {
  return font.size * font.ems(text) * (bold ? kBold : 1);
}

std::vector<std::string> wrapped(const std::string& text, double room, const Font& font, bool bold) {
  if (bold) room /= kBold;
  std::vector<std::string> lines;
  std::string_view rest = text;
  while (width_of(rest, font) > room) {
    const std::size_t most = fitting(rest, room, font);
    std::size_t end = most;
    if (most < rest.size() && rest[most] != ' ') {
      const std::size_t blank = rest.find_last_of(" ,", most - 1);
      if (blank != std::string_view::npos && blank > 0) end = blank + (rest[blank] == ',' ? 1 : 0);
    }
    lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end);
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    if (rest.empty()) return lines;
  }
  lines.emplace_back(rest);
  return lines;
}

std::string shortened_to(const std::string& text, double room, const Font& font) {
  if (width_of(text, font) <= room) return text;
  const std::string ellipsis = "…";
  return text.substr(0, fitting(text, room - width_of(ellipsis, font), font)) + ellipsis;
}

std::string capitalized(std::string text) {
  if (!text.empty() && text.front() >= 'a' && text.front() <= 'z') text.front() -= 'a' - 'A';
  return text;
}

}  // namespace refocus::figure
