#include "cli/commands/manual_review.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <span>

#include "base/error.h"
#include "cli/terminal.h"
#include "eval/audit/response_text.h"
#include "eval/audit/review_page.h"

namespace refocus::cli {

namespace {

constexpr const char* kHelp[] = {
    "Which answer does the response give, whatever the right one is?",
    "",
    "  A, B, C ...     this one: a capital letter, or the option's number",
    "  n               it gives none, or several",
    "  s, Enter        skip: say nothing about it",
    "  b               back to the one before",
    "  x               take back your verdict on this one",
    "  m               all of a long response, or parts of it",
    "  q               quit; what you have said is kept, and the same command goes on",
    "",
    "In a terminal, arrows, page up, page down and blank scroll; right skips, left goes back.",
    "",
    "A response that several arms gave to a question comes once, and the verdict counts in all of them.",
};

constexpr const char* kMarks[] = {
    "",
    "Marked in the response is what the rules read the letter from: the anchored ones green or [[so]], the "
    "published ones yellow or {{so}}, both cyan or {[so]}.",
};

// What the keys do, whatever they come from.
class Reviewer {
 public:
  Reviewer(Review& review, const ManualOptions& options) : review_(review) {
    page_.show_arm = options.show_arm;
    page_.show_label = options.show_label;
    page_.hide_rules = options.hide_rules;
  }

  PageOptions& page() { return page_; }
  bool done() const { return done_; }
  std::int64_t verdicts() const { return review_.verdicts(); }
  bool helping() const { return help_; }
  const std::string& message() const { return message_; }
  bool take_moved() { return std::exchange(moved_, false); }  // another answer, or another view of it

  std::vector<std::string> lines() const {
    if (help_) return help();
    if (review_.at_end()) {
      return {fmt::format("All {} are through.", review_.size()), "", "b goes back to the last one, q ends."};
    }
    return review_page(review_, page_);
  }

  std::string keys() const {
    if (help_) return "any key: back to the response";
    if (review_.at_end()) return "b back   q quit";
    const char last = static_cast<char>('A' + options() - 1);
    return fmt::format("{}answer  n none  s skip  b back  q quit  ? help  x take back  m whole",
                       options() > 1 ? fmt::format("A-{} ", last) : "A ");
  }

  void press(char key) {
    message_.clear();
    moved_ = true;
    if (std::exchange(help_, false)) return;
    if (key == 'q') {
      done_ = true;
    } else if (key == '?') {
      help_ = true;
    } else if (key == 'b') {
      if (!review_.back()) message_ = "This is the first one.";
    } else if (!review_.at_end()) {
      press_on_answer(key);
    }
    if (!help_ && key != 'm') page_.whole = false;
  }

 private:
  std::vector<std::string> help() const {
    std::vector<std::string> lines;
    const auto add = [&](std::span<const char* const> texts) {
      for (const char* text : texts) {
        for (const TextLine& line : wrapped(text, page_.columns - 1)) lines.push_back(plain_text(line));
      }
    };
    add(kHelp);
    if (!page_.hide_rules) add(kMarks);
    return lines;
  }
  std::size_t options() const { return review_.current().answer->item->choices.size(); }

  void press_on_answer(char key) {
    const auto is_option = [&](char first) {
      return key >= first && static_cast<std::size_t>(key - first) < options();
    };
    if (is_option('A') || (options() <= 9 && is_option('1'))) {
      const char letter = key >= 'A' ? key : static_cast<char>('A' + key - '1');
      review_.judge(letter);
      message_ = fmt::format("Kept: {}. b goes back to it.", letter);
    } else if (key == 'n') {
      review_.judge(std::nullopt);
      message_ = "Kept: no answer. b goes back to it.";
    } else if (key == 's' || key == '\n' || key == '\r') {
      review_.skip();
    } else if (key == 'x') {
      message_ = review_.own() != nullptr ? "Taken back." : "You have no verdict on this one.";
      review_.withdraw();
    } else if (key == 'm') {
      page_.whole = !page_.whole;
    } else {
      const std::string shown = printable({&key, 1});
      const bool small = is_option('a');
      message_ = small ? fmt::format("'{}' is no key: answers are capital letters, or numbers.", shown)
                       : fmt::format("'{}' is no key here; ? shows the keys.", shown);
    }
  }

  Review& review_;
  PageOptions page_;
  bool help_ = false, done_ = false, moved_ = false;
  std::string message_;
};

// The page in a window: scrolled where it is longer, with what the keys do in the last line.
class Window {
 public:
  Window(const Terminal& terminal, Reviewer& reviewer) : terminal_(terminal), reviewer_(reviewer) {}

  void draw() {
    const auto [rows, columns] = terminal_.size();
    reviewer_.page().rows = rows - kFooter;
    reviewer_.page().columns = columns;
    const std::vector<std::string> lines = reviewer_.lines();
    room_ = rows - kFooter;
    last_ = std::max(0, static_cast<int>(std::ssize(lines)) - room_);
    top_ = std::clamp(top_, 0, last_);
    std::vector<std::string> shown(
        lines.begin() + top_, lines.begin() + std::min(top_ + room_, static_cast<int>(std::ssize(lines))));
    shown.resize(static_cast<std::size_t>(room_));
    std::string status = reviewer_.message();
    if (last_ > 0)
      status += fmt::format("{}[{}%, arrows scroll]", status.empty() ? "" : "  ", 100 * top_ / last_);
    shown.push_back(cut(status, columns));
    const std::string keys = cut(reviewer_.keys(), columns);
    shown.push_back(reviewer_.page().colours ? "\x1b[7m" + keys + "\x1b[0m" : keys);
    terminal_.show(shown);
  }

  void handle(const Key& key) {
    switch (key.kind) {
      case Key::Kind::kUp:
        --top_;
        return;
      case Key::Kind::kDown:
        ++top_;
        return;
      case Key::Kind::kPageUp:
        top_ -= room_ - 1;
        return;
      case Key::Kind::kPageDown:
        top_ += room_ - 1;
        return;
      case Key::Kind::kRight:
        return press('s');
      case Key::Kind::kLeft:
        return press('b');
      case Key::Kind::kCharacter:
        if (key.character == ' ' && !reviewer_.helping()) {
          top_ += room_ - 1;
        } else {
          press(key.character);
        }
        return;
      default:
        return;
    }
  }

 private:
  static constexpr int kFooter = 2;

  void press(char key) {
    const std::int64_t verdicts = reviewer_.verdicts();
    reviewer_.press(key);
    if (reviewer_.verdicts() != verdicts) terminal_.wait_for_silence();
    if (reviewer_.take_moved()) top_ = 0;
  }
  static std::string cut(const std::string& text, int columns) {  // of ASCII
    return text.substr(0, static_cast<std::size_t>(std::max(0, columns - 1)));
  }

  const Terminal& terminal_;
  Reviewer& reviewer_;
  int top_ = 0, last_ = 0, room_ = 1;
};

void review_in_terminal(Reviewer& reviewer) {
  reviewer.page().colours = wants_colours();
  const Terminal terminal;
  Window window(terminal, reviewer);
  while (!reviewer.done()) {
    window.draw();
    const Key key = terminal.read();
    if (key.kind == Key::Kind::kEnd) return;
    window.handle(key);
  }
}

void review_lines(Reviewer& reviewer) {
  std::string line;
  bool show = true;
  while (!reviewer.done()) {
    if (show) {
      for (const std::string& text : reviewer.lines()) fmt::print("{}\n", text);
    }
    fmt::print("\n{}\n> ", reviewer.keys());
    std::fflush(stdout);
    if (!std::getline(std::cin, line)) break;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.size() > 1) {
      fmt::print("\nexpected one key a line, got '{}'\n", printable(line));
      show = false;
      continue;
    }
    reviewer.press(line.empty() ? '\n' : line[0]);
    show = true;
    fmt::print("\n{}{}", reviewer.message(), reviewer.message().empty() ? "" : "\n\n");
  }
  fmt::print("\n");
}

}  // namespace

void review_by_hand(Review& review, const ManualOptions& options) {
  Reviewer reviewer(review, options);
  if (is_terminal()) {
    review_in_terminal(reviewer);
  } else {
    review_lines(reviewer);
  }
}

}  // namespace refocus::cli
