#include "eval/audit/response_text.h"

#include <fmt/core.h>
#include <utf8proc.h>

#include <algorithm>

#include "base/utf8.h"

namespace refocus {
namespace {

// One character as it is shown.
struct Cell {
  std::string text;
  int width = 1;
  unsigned mark = kPlain;
  bool blank = false;
};

bool is_shown(char32_t code_point) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code_point))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

Cell cell_of(const Utf8Step& step, std::string_view bytes, unsigned mark) {
  if (step.status != Utf8Status::kValid)
    return {std::string(kReplacementCharacter), 1, mark | kEscape, false};
  if (step.code_point == U'\t' || step.code_point == U'\r') return {" ", 1, mark, true};
  if (!is_shown(step.code_point)) {
    std::string text = fmt::format("<U+{:04X}>", static_cast<std::uint32_t>(step.code_point));
    const int width = static_cast<int>(text.size());
    return {std::move(text), width, mark | kEscape, false};
  }
  const int width = utf8proc_charwidth(static_cast<utf8proc_int32_t>(step.code_point));
  return {std::string(bytes), std::max(0, width), mark, step.code_point == U' '};
}

unsigned mark_at(const std::vector<MarkedSpan>& marks, std::int64_t place) {
  unsigned mark = kPlain;
  for (const MarkedSpan& span : marks) {
    if (place >= span.begin && place < span.end) mark |= span.mark;
  }
  return mark;
}

TextLine joined(const std::vector<Cell>& cells) {
  TextLine line;
  for (const Cell& cell : cells) {
    if (line.empty() || line.back().mark != cell.mark) line.push_back({"", cell.mark});
    line.back().text += cell.text;
  }
  return line;
}

// Fills lines, and breaks them between words.
class LineFiller {
 public:
  explicit LineFiller(int width) : width_(width) {}

  void add(Cell cell) {
    // A combining character belongs to the one before it, and a blank at a line's end takes no room.
    if (columns_ + cell.width > width_ && cell.width > 0 && !cell.blank) break_line();
    columns_ += cell.width;
    line_.push_back(std::move(cell));
  }
  void end_line() {
    while (!line_.empty() && line_.back().blank && (line_.back().mark & kReadBoth) == 0) line_.pop_back();
    lines_.push_back(joined(line_));
    line_.clear();
    columns_ = 0;
  }
  std::vector<TextLine> take() {
    end_line();
    return std::move(lines_);
  }

 private:
  void break_line() {
    const auto blank = std::find_if(line_.rbegin(), line_.rend(), [](const Cell& c) { return c.blank; });
    std::vector<Cell> rest(blank.base(), line_.end());  // the unfinished word
    if (blank == line_.rend() || rest.size() == line_.size()) rest.clear();
    line_.resize(line_.size() - rest.size());
    end_line();
    line_ = std::move(rest);
    for (const Cell& cell : line_) columns_ += cell.width;
  }

  int width_;
  int columns_ = 0;
  std::vector<Cell> line_;
  std::vector<TextLine> lines_;
};

}  // namespace

std::vector<TextLine> wrapped(std::string_view text, int width, const std::vector<MarkedSpan>& marks) {
  LineFiller lines(std::max(10, width));
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text.substr(at));
    const auto length = static_cast<std::size_t>(step.length);
    if (text[at] == '\n') {
      lines.end_line();
    } else if (!text.substr(at).starts_with("\r\n")) {
      lines.add(cell_of(step, text.substr(at, length), mark_at(marks, static_cast<std::int64_t>(at))));
    }
    at += length;
  }
  return lines.take();
}

std::vector<MarkedSpan> marks_of(const AuditedAnswer& answer) {
  std::vector<MarkedSpan> marks;
  const auto add = [&](const Extraction& found, unsigned mark) {
    const bool whole = found.span_begin == 0 && found.span_end == std::ssize(answer.response.text);
    if (!found.letter || (whole && found.rule == "most_similar")) return;
    marks.push_back({found.span_begin, found.span_end, mark});
  };
  add(answer.anchored, kReadAnchored);
  add(answer.published, kReadPublished);
  return marks;
}

std::string plain_text(const TextLine& line) {
  static constexpr const char* kOpen[] = {"", "[[", "{{", "{["};
  static constexpr const char* kClose[] = {"", "]]", "}}", "]}"};
  std::string out;
  unsigned open = kPlain;
  for (const TextPiece& piece : line) {
    const unsigned read = piece.mark & kReadBoth;
    if (read != open) {
      out += kClose[open];
      out += kOpen[read];
    }
    open = read;
    out += piece.text;
  }
  return out + kClose[open];
}

std::string coloured_text(const TextLine& line) {
  // Black on green, on yellow, on cyan; what stands for a hidden character in red.
  static constexpr const char* kColours[] = {"", "\x1b[30;42m", "\x1b[30;43m", "\x1b[30;46m"};
  std::string out;
  for (const TextPiece& piece : line) {
    std::string before = kColours[piece.mark & kReadBoth];
    if (before.empty() && (piece.mark & kEscape) != 0) before = "\x1b[31m";
    out += before.empty() ? piece.text : before + piece.text + "\x1b[0m";
  }
  return out;
}

std::vector<std::string> marked_lines(const AuditedAnswer& answer, int width) {
  std::vector<std::string> lines;
  for (const TextLine& line : wrapped(answer.response.text, width, marks_of(answer))) {
    lines.push_back(plain_text(line));
  }
  return lines;
}

}  // namespace refocus
