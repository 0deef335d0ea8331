#include "io/peft/python_regex_dialect.h"

#include <fmt/core.h>

namespace refocus {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_octal(char c) { return c >= '0' && c <= '7'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  std::string run() {
    while (at_ < pattern_.size()) {
      if (const std::string found = quantifier(); !found.empty()) {
        if (!repeatable_) refuse(fmt::format("{} behind nothing that repeats", found));
        out_ += found;
        repeatable_ = false;
        continue;
      }
      const char c = pattern_[at_];
      if (c == '(') {
        open_group();  // says itself whether anything but flags has begun
        continue;
      }
      only_flags_ = false;
      repeatable_ = c != '|' && c != '^' && c != '$';
      if (c == '\\') {
        escape(false);
      } else if (c == '[') {
        character_class();
      } else {
        out_ += c;
        ++at_;
      }
    }
    return out_;
  }

 private:
  [[noreturn]] static void refuse(std::string_view construct) {
    throw PythonRegexError(std::string(construct));
  }
  bool next_is(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }

  // The quantifier that begins here, as PCRE2 has it, with the ? or + behind it; empty where there is none.
  std::string quantifier() {
    const std::string_view rest = pattern_.substr(at_);
    std::string out;
    std::size_t end = 1;
    if (rest[0] == '*' || rest[0] == '+' || rest[0] == '?') {
      out = rest[0];
    } else if (rest[0] == '{') {
      const auto digits = [&] {
        const std::size_t begin = end;
        while (end < rest.size() && is_digit(rest[end])) ++end;
        return std::string(rest.substr(begin, end - begin));
      };
      const std::string least = digits();
      const bool range = end < rest.size() && rest[end] == ',';
      if (range) ++end;
      const std::string most = range ? digits() : least;
      if (end >= rest.size() || rest[end] != '}' || end == 1) return "";  // literal in both
      ++end;
      out = fmt::format("{{{},{}}}", least.empty() ? "0" : least, most);
    } else {
      return "";
    }
    if (end < rest.size() && (rest[end] == '?' || rest[end] == '+')) out += rest[end++];
    at_ += end;
    return out;
  }

  void character_class() {
    out_ += '[';
    ++at_;
    if (next_is("^")) {
      out_ += '^';
      ++at_;
    }
    for (bool first = true;; first = false) {
      if (at_ >= pattern_.size()) refuse("[ without ]");
      const char c = pattern_[at_];
      if (c == '\\') {
        escape(true);
        continue;
      }
      ++at_;
      if (c == ']' && !first) break;
      if (c == '[' || c == ']') out_ += '\\';  // PCRE2 would look for [:alpha:] and the like
      out_ += c;
    }
    out_ += ']';
    repeatable_ = true;
  }

  void open_group() {
    if (next_is("(?#")) {
      const std::size_t end = pattern_.find(')', at_);
      if (end == std::string_view::npos) refuse("(?# without )");
      at_ = end + 1;
      return;
    }
    if (next_is("(*")) refuse("(*");
    for (const std::string_view known :
         {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?P<", "(?P=", "(?(", "("}) {
      if (!next_is(known) || (known == "(" && next_is("(?"))) continue;
      if (known == "(?(" && (at_ + 3 >= pattern_.size() || !is_digit(pattern_[at_ + 3]))) refuse("(?(NAME)");
      out_ += known;
      at_ += known.size();
      only_flags_ = repeatable_ = false;
      return;
    }
    flags();
  }

  // (?ims) at the very beginning, or (?ims-ims: anywhere; a and u say what holds for ASCII text anyhow.
  void flags() {
    const std::size_t begin = at_;
    at_ += 2;
    std::string kept;
    bool off = false;
    for (; at_ < pattern_.size() && pattern_[at_] != ')' && pattern_[at_] != ':'; ++at_) {
      const char c = pattern_[at_];
      const bool text_kind = c == 'a' || c == 'u';
      const bool dash = c == '-' && !off;
      if (!(c == 'i' || c == 'm' || c == 's' || dash || (text_kind && !off))) {
        refuse(pattern_.substr(begin, at_ + 1 - begin));
      }
      if (dash) off = true;
      if (!text_kind) kept += c;
    }
    const std::string_view whole = pattern_.substr(begin, at_ - begin);
    if (at_ >= pattern_.size() || whole == "(?" || whole.ends_with('-')) refuse(whole);
    const bool global = pattern_[at_++] == ')';
    if (global && (!only_flags_ || off)) refuse(fmt::format("{}) behind the beginning", whole));
    repeatable_ = false;
    only_flags_ = only_flags_ && global;
    if (kept.empty()) {
      out_ += global ? "" : "(?:";
    } else {
      out_ += fmt::format("(?{}{}", kept, global ? ')' : ':');
    }
  }

  void code_point(std::string_view letter, std::size_t digits) {
    const std::string_view hex = pattern_.substr(at_, digits);
    if (hex.size() != digits || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
      refuse(fmt::format("\\{} without {} digits", letter, digits));
    }
    at_ += digits;
    out_ += fmt::format("\\x{{{}}}", hex);
  }

  // \0 with up to two octal digits more, \123 in octal, else (not in a class) a reference to a group.
  void number(bool in_class) {
    const std::string_view rest = pattern_.substr(at_);
    std::size_t octal = 0;
    while (octal < rest.size() && octal < 3 && is_octal(rest[octal])) ++octal;
    if (rest[0] == '0' || octal == 3 || in_class) {
      if (octal == 0) refuse(fmt::format("\\{} in a class", rest[0]));
      int value = 0;
      for (std::size_t i = 0; i < octal; ++i) value = value * 8 + (rest[i] - '0');
      if (value > 0377) refuse(fmt::format("\\{}", rest.substr(0, octal)));
      at_ += octal;
      out_ += fmt::format("\\x{{{:x}}}", value);
      return;
    }
    const std::size_t digits = rest.size() > 1 && is_digit(rest[1]) ? 2 : 1;
    out_ += fmt::format("\\g{{{}}}", rest.substr(0, digits));
    at_ += digits;
  }

  void escape(bool in_class) {
    if (at_ + 1 >= pattern_.size()) refuse("\\ at the end");
    const char c = pattern_[++at_];
    if (is_digit(c)) return number(in_class);
    ++at_;
    if (c == 'x') return code_point("x", 2);
    if (c == 'u') return code_point("u", 4);
    if (c == 'U') return code_point("U", 8);
    constexpr std::string_view kSame = "afnrtdDsSwW", kOutside = "ABZ";
    if (c == 'v') {
      out_ += "\\x{b}";
    } else if (c == 'b') {
      out_ += in_class ? "\\x{8}" : "\\b";
      repeatable_ = false;
    } else if (!in_class && c == 'Z') {
      out_ += "\\z";
      repeatable_ = false;
    } else if (is_letter(c) && kSame.find(c) == std::string_view::npos &&
               (in_class || kOutside.find(c) == std::string_view::npos)) {
      refuse(fmt::format("\\{}", c));
    } else {
      if (c == 'A' || c == 'B') repeatable_ = false;
      out_ += '\\';
      out_ += c;
    }
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  bool only_flags_ = true;   // so far, and comments
  bool repeatable_ = false;  // whether a quantifier may come next
  std::string out_;
};

}  // namespace

std::string pcre2_from_python(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace refocus
