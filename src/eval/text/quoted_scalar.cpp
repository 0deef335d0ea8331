#include "eval/text/quoted_scalar.h"

#include <array>
#include <charconv>

#include "base/utf8.h"

namespace refocus {

namespace {

bool is_blank_character(char c) { return c == ' ' || c == '\t'; }
bool is_break(char c) { return c == '\n' || c == '\r'; }

class QuotedReader {
 public:
  QuotedReader(std::string_view text, std::size_t begin) : text_(text), at_(begin + 1), quote_(text[begin]) {}

  // Nothing where it ends nowhere, or has an unknown escape.
  std::optional<std::string> read() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == quote_) {
        if (quote_ == '"' || at_ + 1 >= text_.size() || text_[at_ + 1] != quote_) return out_;
        out_ += quote_;  // two are one
        at_ += 2;
      } else if (c == '\\' && quote_ == '"') {
        if (!read_escape()) return std::nullopt;
      } else if (is_blank_character(c) || is_break(c)) {
        read_spaces();
      } else {
        out_ += c;
        ++at_;
      }
    }
    return std::nullopt;
  }

  bool has_breaks() const { return has_breaks_; }

 private:
  // Blanks stay where no break follows them.
  void read_spaces() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_blank_character(text_[at_])) ++at_;
    if (at_ >= text_.size() || !is_break(text_[at_])) {
      out_ += text_.substr(begin, at_ - begin);
      return;
    }
    const int breaks = skip_breaks();
    out_ += breaks == 1 ? " " : std::string(static_cast<std::size_t>(breaks - 1), '\n');
  }

  // Breaks with the blanks between and behind them.
  int skip_breaks() {
    has_breaks_ = true;
    int breaks = 0;
    while (at_ < text_.size() && (is_break(text_[at_]) || is_blank_character(text_[at_]))) {
      if (is_break(text_[at_])) ++breaks;
      at_ += text_.substr(at_).starts_with("\r\n") ? 2 : 1;
    }
    return breaks;
  }

  bool read_escape() {
    if (at_ + 1 >= text_.size()) return false;
    const char c = text_[at_ + 1];
    at_ += 2;
    if (is_break(c)) {  // the line goes on without a blank
      --at_;
      out_ += std::string(static_cast<std::size_t>(skip_breaks() - 1), '\n');
      return true;
    }
    if (c == 'x' || c == 'u' || c == 'U') return read_code(c == 'x' ? 2 : c == 'u' ? 4 : 8);
    static constexpr std::array<std::pair<char, char32_t>, 18> kEscapes = {{{'0', 0},
                                                                            {'a', 7},
                                                                            {'b', 8},
                                                                            {'t', 9},
                                                                            {'\t', 9},
                                                                            {'n', 10},
                                                                            {'v', 11},
                                                                            {'f', 12},
                                                                            {'r', 13},
                                                                            {'e', 27},
                                                                            {' ', ' '},
                                                                            {'"', '"'},
                                                                            {'/', '/'},
                                                                            {'\\', '\\'},
                                                                            {'N', 0x85},
                                                                            {'_', 0xA0},
                                                                            {'L', 0x2028},
                                                                            {'P', 0x2029}}};
    for (const auto& [name, code] : kEscapes) {
      if (name != c) continue;
      append_utf8(code, out_);
      return true;
    }
    return false;
  }

  bool read_code(std::size_t digits) {
    if (at_ + digits > text_.size()) return false;
    std::uint32_t code = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, begin + digits, code, 16);
    if (error != std::errc() || end != begin + digits) return false;
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
    append_utf8(code, out_);
    at_ += digits;
    return true;
  }

  std::string_view text_;
  std::size_t at_;
  char quote_;
  bool has_breaks_ = false;
  std::string out_;
};

}  // namespace

std::optional<std::string> multi_line_scalar(std::string_view text, std::size_t begin) {
  if (begin >= text.size() || (text[begin] != '\'' && text[begin] != '"')) return std::nullopt;
  QuotedReader reader(text, begin);
  std::optional<std::string> out = reader.read();
  if (!reader.has_breaks()) return std::nullopt;
  return out;
}

}  // namespace refocus
