#include "tokenizer/pipeline/regex_dialect.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace refocus {
namespace {

// Unicode's general categories: the same in both dialects. Other property names are taken for scripts.
constexpr std::array kCategories = {
    std::string_view("C"),  std::string_view("Cc"), std::string_view("Cf"), std::string_view("Cn"),
    std::string_view("Co"), std::string_view("L"),  std::string_view("Ll"), std::string_view("Lm"),
    std::string_view("Lo"), std::string_view("Lt"), std::string_view("Lu"), std::string_view("M"),
    std::string_view("Mc"), std::string_view("Me"), std::string_view("Mn"), std::string_view("N"),
    std::string_view("Nd"), std::string_view("Nl"), std::string_view("No"), std::string_view("P"),
    std::string_view("Pc"), std::string_view("Pd"), std::string_view("Pe"), std::string_view("Pf"),
    std::string_view("Pi"), std::string_view("Po"), std::string_view("Ps"), std::string_view("S"),
    std::string_view("Sc"), std::string_view("Sk"), std::string_view("Sm"), std::string_view("So"),
    std::string_view("Z"),  std::string_view("Zl"), std::string_view("Zp"), std::string_view("Zs"),
};

class Translator {
 public:
  Translator(const std::string& where, std::string_view pattern) : where_(where), pattern_(pattern) {}

  std::string run() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        escape();
      } else if (in_class_) {
        class_character(c);
      } else if (c == '[') {
        open_class();
      } else if (pattern_.substr(at_, 2) == "{,") {
        refuse("{,n}");
      } else if (c == '}' && pattern_.substr(at_, 2) == "}+") {
        refuse("{n,m}+");
      } else {
        out_ += c;
        ++at_;
      }
    }
    return out_;
  }

 private:
  [[noreturn]] void refuse(std::string_view construct) const {
    throw input_error(where_,
                      "expected a regular expression without '{}', got '{}'; this tokenizer is not supported",
                      construct, printable(pattern_, 200));
  }

  void open_class() {
    in_class_ = true;
    out_ += '[';
    ++at_;
    if (pattern_.substr(at_, 1) == "^") {
      out_ += '^';
      ++at_;
    }
    if (pattern_.substr(at_, 1) == "]") refuse("[]");
  }

  void class_character(char c) {
    if (c == '[') refuse("[ in a character class");
    if (c == '&' && pattern_.substr(at_, 2) == "&&") refuse("&&");
    if (c == ']') in_class_ = false;
    out_ += c;
    ++at_;
  }

  void escape() {
    if (at_ + 1 >= pattern_.size()) refuse("\\ at the end");
    const char c = pattern_[at_ + 1];
    at_ += 2;
    switch (c) {
      case 's':
        out_ += "\\p{White_Space}";
        return;
      case 'S':
        out_ += "\\P{White_Space}";
        return;
      case 'd':
        out_ += "\\p{Nd}";
        return;
      case 'D':
        out_ += "\\P{Nd}";
        return;
      case 'w':
      case 'W':
        word(c == 'W');
        return;
      case 'v':
        out_ += "\\x{0B}";
        return;
      case 'p':
      case 'P':
        property(c);
        return;
      case 'u':
        unicode();
        return;
      case 'x':
      case 'r':
      case 'n':
      case 't':
      case 'f':
        break;
      default:
        // A letter or digit has a meaning of its own in at least one dialect; punctuation stands for itself.
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) {
          refuse(std::string("\\") + c);
        }
    }
    out_ += '\\';
    out_ += c;
  }

  void word(bool negated) {
    constexpr std::string_view members = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
    if (in_class_ && negated) refuse("\\W in a character class");
    if (!in_class_) out_ += negated ? "[^" : "[";
    out_ += members;
    if (!in_class_) out_ += ']';
  }

  // \p{Name}, \p{^Name} or \P{Name}
  void property(char letter) {
    const std::size_t close = pattern_.find('}', at_);
    if (pattern_.substr(at_, 1) != "{" || close == std::string_view::npos) refuse("\\p without {Name}");
    std::string_view name = pattern_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    out_ += '\\';
    out_ += letter;
    out_ += '{';
    if (negated) out_ += '^';
    if (std::find(kCategories.begin(), kCategories.end(), name) == kCategories.end()) {
      if (name.starts_with("Script=")) name.remove_prefix(7);
      out_ += "sc:";
    }
    out_ += name;
    out_ += '}';
  }

  // \u1234
  void unicode() {
    const std::string_view digits = pattern_.substr(at_, 4);
    if (digits.size() != 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
      refuse("\\u without four digits");
    }
    at_ += 4;
    out_ += "\\x{";
    out_ += digits;
    out_ += '}';
  }

  const std::string& where_;
  std::string_view pattern_;
  std::size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

}  // namespace

std::string pcre2_pattern(const std::string& where, std::string_view pattern) {
  return Translator(where, pattern).run();
}

}  // namespace refocus
