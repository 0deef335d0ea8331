#include "eval/audit/review_page.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "eval/audit/response_text.h"
#include "eval/task/ending.h"
#include "eval/text/table_text.h"

namespace refocus {
namespace {

constexpr int kWidest = 100;  // longer lines are hard to read

// The fields that hold the question; never one that could give the label away.
std::vector<std::string> question_texts(const Item& item) {
  std::vector<std::string> texts;
  for (const char* name : {"context", "question", "goal"}) {
    for (const auto& [field, text] : item.fields) {
      if (field == name) texts.push_back(replace_invalid_utf8(text));
    }
  }
  return texts;
}

bool is_marked(const TextLine& line) {
  return std::ranges::any_of(line, [](const TextPiece& piece) { return (piece.mark & kReadBoth) != 0; });
}

class PageWriter {
 public:
  explicit PageWriter(const PageOptions& options)
      : options_(options), width_(std::clamp(options.columns, 20, kWidest) - 1) {}

  std::vector<std::string> write(const Review& review) {
    const AuditedAnswer* answer = review.current().answer;
    head(review);
    question(*answer->item);
    std::vector<std::string> before = std::move(lines_);
    lines_.clear();
    rules(*answer);
    std::vector<std::string> after = std::move(lines_);
    lines_ = std::move(before);
    response(*answer, options_.rows - std::ssize(lines_) - std::ssize(after) - 1);
    lines_.insert(lines_.end(), after.begin(), after.end());
    return std::move(lines_);
  }

 private:
  // A program's own text, in bold or dimmed.
  std::string styled(const std::string& text, const char* code) const {
    return options_.colours ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
  }
  void line(std::string text = "") { lines_.push_back(std::move(text)); }

  void head(const Review& review) {
    const Item& item = *review.current().answer->item;
    line(styled(fmt::format("{} of {}", with_thousands(static_cast<std::int64_t>(review.place()) + 1),
                            with_thousands(static_cast<std::int64_t>(review.size()))),
                "1") +
         styled(fmt::format("   {}, item {}", printable(item.subject, 60), item.index), "2"));
    if (options_.show_arm) {
      for (const AuditedArm* arm : review.current().arms) block(printable(arm->asked.name, 200), "arm ");
    }
    if (const Verdict* own = review.own()) {
      line(styled(own->letter ? fmt::format("your verdict: {}", *own->letter) : "your verdict: no answer",
                  "1"));
    }
    line();
  }

  // A text after `first`, its further lines indented as deep.
  void block(std::string_view text, const std::string& first) {
    std::string indent = first;
    for (const TextLine& part : wrapped(text, width_ - static_cast<int>(first.size()))) {
      line(indent + (options_.colours ? coloured_text(part) : plain_text(part)));
      indent = repeated(' ', static_cast<int>(first.size()));
    }
  }

  void question(const Item& item) {
    for (const std::string& text : question_texts(item)) block(text, "");
    for (std::size_t k = 0; k < item.choices.size(); ++k) {
      const char letter = static_cast<char>('A' + k);
      const bool is_right = options_.show_label && item.label == letter;
      block(replace_invalid_utf8(item.choices[k]), fmt::format("{} {}. ", is_right ? "*" : " ", letter));
    }
    line();
  }

  // Which lines of a response stay when `room` lines are all that there is: as many as fit of those around
  // the marked ones, the first and the last.
  static std::vector<bool> kept_lines(const std::vector<TextLine>& text, std::int64_t room) {
    const std::int64_t size = std::ssize(text);
    std::vector<std::int64_t> centres = {0, size - 1};
    for (std::int64_t i = 0; i < size; ++i) {
      if (is_marked(text[static_cast<std::size_t>(i)])) centres.push_back(i);
    }
    std::vector<bool> best;
    for (std::int64_t reach = 0; reach < size; ++reach) {
      std::vector<bool> kept(text.size());
      for (const std::int64_t centre : centres) {
        for (std::int64_t i = std::max<std::int64_t>(0, centre - reach);
             i <= std::min(size - 1, centre + reach); ++i) {
          kept[static_cast<std::size_t>(i)] = true;
        }
      }
      std::int64_t shown = 0;
      for (std::size_t i = 0; i < kept.size(); ++i) shown += kept[i] || i == 0 || kept[i - 1] ? 1 : 0;
      if (reach > 0 && shown > room) break;
      best = std::move(kept);
    }
    return best;
  }

  void response(const AuditedAnswer& answer, std::int64_t room) {
    const std::string& finish = answer.response.finish_reason;
    line(styled(finish == kFinishLength ? "Response (cut off at the limit)"
                : finish == kFinishStop ? "Response (ended by a text of until)"
                                        : "Response",
                "1"));
    if (answer.response.text.empty()) return line(styled("  (no text at all)", "2"));
    // Without colours the marks around a place take up to eight columns.
    const int width = width_ - 2 - (options_.colours ? 0 : 8);
    const std::vector<TextLine> text = wrapped(
        answer.response.text, width, options_.hide_rules ? std::vector<MarkedSpan>() : marks_of(answer));
    const bool cut = !options_.whole && options_.rows > 0 && std::ssize(text) > room - 1;
    const std::vector<bool> kept = cut ? kept_lines(text, room - 1) : std::vector<bool>(text.size(), true);
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (kept[i]) {
        line("  " + (options_.colours ? coloured_text(text[i]) : plain_text(text[i])));
        continue;
      }
      std::size_t hidden = 0;
      while (i < text.size() && !kept[i]) ++hidden, ++i;
      --i;
      line(styled(fmt::format("  ... {} line{} left out, m shows {}", hidden, hidden == 1 ? "" : "s",
                              hidden == 1 ? "it" : "them"),
                  "2"));
    }
  }

  void rules(const AuditedAnswer& answer) {
    if (!options_.hide_rules) {
      line();
      rule("anchored ", answer.anchored, kReadAnchored);
      rule("published", answer.published, kReadPublished);
    }
    if (options_.show_label) {
      line(answer.item->label ? fmt::format("right answer: {}", *answer.item->label)
                              : "right answer: not known");
    }
  }
  void rule(const char* name, const Extraction& found, unsigned mark) {
    const TextLine label = {{name, mark}};
    std::string text = options_.colours ? coloured_text(label) : plain_text(label);
    if (!found.letter) return line(text + "  -  finds no answer");
    text += fmt::format("  {}  {}", *found.letter, found.rule);
    if (found.rule == "most_similar") text += " (the whole response)";
    line(text);
  }

  PageOptions options_;
  int width_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> review_page(const Review& review, const PageOptions& options) {
  return PageWriter(options).write(review);
}

}  // namespace refocus
