#include "eval/extract/plain_text.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/utf8.h"
#include "eval/text/code_points.h"

namespace refocus {

namespace {

// What a piece of text is replaced by: a character, nothing, or (kKeep) itself.
constexpr char kNothing = 0, kKeep = 1;

bool is_name_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

template <std::size_t n>
bool is_one_of(std::string_view name, const std::array<std::string_view, n>& names) {
  return std::ranges::find(names, name) != names.end();
}

bool is_invisible(char32_t c) {
  return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F || c == 0xAD || c == 0x34F ||
         c == 0x61C || c == 0x180E || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF || c == 0x20E3 ||
         (c >= 0xE0000 && c <= 0xE01EF);
}

// Letters that differ from ASCII's in style only: full width, circled, squared, mathematical.
char styled_letter(char32_t c) {
  const auto from = [&](char32_t first, char letter) { return static_cast<char>(letter + (c - first)); };
  if (c >= 0x24B6 && c <= 0x24CF) return from(0x24B6, 'A');
  if (c >= 0x24D0 && c <= 0x24E9) return from(0x24D0, 'a');
  for (const char32_t first : {0x1F110, 0x1F130, 0x1F150, 0x1F170}) {
    if (c >= first && c < first + 26) return from(first, 'A');
  }
  if (c >= 0x1D400 && c <= 0x1D6A3) {  // alphabets of 52 letters, one after the other
    const char32_t place = (c - 0x1D400) % 52;
    return static_cast<char>(place < 26 ? 'A' + place : 'a' + (place - 26));
  }
  return kKeep;
}

char plain_character(char32_t c) {
  if (c == 0x85 || c == 0x2028 || c == 0x2029) return '\n';
  if (is_white_space(c) || c == 0x2800 || c == 0x3164) return c == '\t' || c == '\n' ? kKeep : ' ';
  if (is_invisible(c)) return kNothing;
  if ((c >= 0x2018 && c <= 0x201B) || c == 0x2BC || c == 0x2032) return '\'';
  if ((c >= 0x201C && c <= 0x201F) || c == 0xAB || c == 0xBB || (c >= 0x300C && c <= 0x300F)) return '"';
  if (c >= 0x2010 && c <= 0x2012) return '-';
  if (c == 0x3001) return ',';
  if (c == 0x3002) return '.';
  if (c == 0x3010 || c == 0x3014) return '[';
  if (c == 0x3011 || c == 0x3015) return ']';
  if (c >= 0xFF01 && c <= 0xFF5E) return static_cast<char>(c - 0xFEE0);
  return styled_letter(c);
}

struct Piece {
  std::size_t length;
  char as;  // kKeep is not used
};

// The end of what a brace at `open` encloses, past the closing one; nothing where that is far away.
std::optional<std::size_t> braced_end(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t at = open; at < text.size() && at < open + 200; ++at) {
    if (text[at] == '{') ++depth;
    if (text[at] == '}' && --depth == 0) return at + 1;
  }
  return std::nullopt;
}

// A command at `text`'s first byte, a backslash.
std::optional<Piece> latex(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  if (std::string_view(" ,;:!").find(text[1]) != std::string_view::npos) return Piece{2, ' '};
  std::size_t end = 1;
  while (end < text.size() && end < 16 && is_name_letter(text[end])) ++end;
  const std::string_view name = text.substr(1, end - 1);
  std::size_t open = end;
  while (open < text.size() && open < end + 4 && text[open] == ' ') ++open;
  const bool braced = open < text.size() && text[open] == '{';
  static constexpr std::array<std::string_view, 17> fonts = {
      "text",   "textbf", "textit", "textrm", "textsf",    "texttt", "textnormal", "mathrm",      "mathbf",
      "mathsf", "mathit", "mathtt", "mbox",   "underline", "emph",   "boldsymbol", "operatorname"};
  if (braced && is_one_of(name, fonts)) return Piece{open + 1, kNothing};
  static constexpr std::array<std::string_view, 5> struck = {"sout", "st", "cancel", "xcancel", "bcancel"};
  if (braced && is_one_of(name, struck)) {
    if (const auto closed = braced_end(text, open)) return Piece{*closed, kNothing};
  }
  static constexpr std::array<std::string_view, 9> blanks = {
      "quad", "qquad", "rm", "bf", "left", "right", "displaystyle", "bfseries", "thinspace"};
  if (is_one_of(name, blanks)) return Piece{end, ' '};
  return std::nullopt;
}

// "~~so~~" at `text`'s first byte.
std::optional<Piece> struck_out(std::string_view text) {
  if (!text.starts_with("~~")) return std::nullopt;
  const std::size_t close = text.substr(0, 202).find("~~", 2);
  if (close == std::string_view::npos || close == 2 ||
      text.substr(0, close).find('\n') != std::string_view::npos)
    return std::nullopt;
  return Piece{close + 2, kNothing};
}

// A tag at `text`'s first byte, a '<'.
std::optional<Piece> tag(std::string_view text) {
  const bool closes = text.size() > 1 && text[1] == '/';
  const std::size_t begin = closes ? 2 : 1;
  std::size_t end = begin;
  std::string name;
  while (end < text.size() && end < begin + 7 && is_name_letter(text[end])) {
    name += static_cast<char>(text[end++] | 0x20);
  }
  const std::size_t close = text.substr(0, end + 100).find_first_of("<>\n", end);
  if (name.empty() || close == std::string_view::npos || text[close] != '>') return std::nullopt;
  if (close != end && text[end] != ' ' && text[end] != '/') return std::nullopt;
  static constexpr std::array<std::string_view, 3> struck = {"del", "s", "strike"};
  if (is_one_of(name, struck)) {
    const std::string ending = "</" + std::string(text.substr(begin, end - begin)) + ">";
    const std::size_t ended = text.substr(0, 400).find(ending, close);
    return Piece{closes || ended == std::string_view::npos ? close + 1 : ended + ending.size(), kNothing};
  }
  static constexpr std::array<std::string_view, 9> fonts = {"b",    "strong", "em",   "i",  "u",
                                                            "span", "font",   "mark", "big"};
  if (is_one_of(name, fonts)) return Piece{close + 1, kNothing};
  static constexpr std::array<std::string_view, 5> lines = {"br", "p", "div", "li", "hr"};
  if (is_one_of(name, lines)) return Piece{close + 1, '\n'};
  return std::nullopt;
}

std::optional<Piece> entity(std::string_view text) {
  using Entity = std::pair<std::string_view, char>;
  for (const auto& [name, as] : {Entity{"&nbsp;", ' '},
                                 {"&#160;", ' '},
                                 {"&ensp;", ' '},
                                 {"&emsp;", ' '},
                                 {"&thinsp;", ' '},
                                 {"&amp;", '&'},
                                 {"&quot;", '"'},
                                 {"&#39;", '\''}}) {
    if (text.starts_with(name)) return Piece{name.size(), as};
  }
  return std::nullopt;
}

// What stands for more than one character at `text`'s first byte.
std::optional<Piece> markup(std::string_view text) {
  switch (text[0]) {
    case '\\':
      return latex(text);
    case '~':
      return struck_out(text);
    case '<':
      return tag(text);
    case '&':
      return entity(text);
    case '\r':
      return Piece{text.starts_with("\r\n") ? std::size_t{2} : std::size_t{1}, '\n'};
    default:
      return std::nullopt;
  }
}

}  // namespace

PlainText::PlainText(std::string_view original) : size_(original.size()) {
  text_.reserve(size_);
  from_.reserve(size_);
  for (std::size_t at = 0; at < size_;) {
    const std::string_view rest = original.substr(at);
    std::size_t length = 1;
    char as = kKeep;
    if (const auto piece = markup(rest)) {
      length = piece->length;
      as = piece->as;
    } else if (const Utf8Step step = utf8_step(rest); step.status == Utf8Status::kValid) {
      length = static_cast<std::size_t>(step.length);
      as = plain_character(step.code_point);
    }
    const Span from{at, at + length};
    if (as == kKeep) {
      for (std::size_t i = 0; i < length; ++i) add(rest[i], from);
    } else if (as != kNothing) {
      add(as, from);
    }
    at += length;
  }
}

void PlainText::add(char c, Span from) {
  text_ += c;
  from_.push_back(from);
}

Span PlainText::original(Span plain) const {
  if (plain.begin >= plain.end) {
    const std::size_t at = plain.begin < from_.size() ? from_[plain.begin].begin : size_;
    return {at, at};
  }
  return {from_[plain.begin].begin, from_[plain.end - 1].end};
}

}  // namespace refocus
