#include "cli/command_line.h"

#include <string_view>
#include <vector>

namespace refocus::cli {

namespace {

std::string& kept() {
  static std::string line = "refocus";
  return line;
}

std::string quoted(std::string_view word) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+:,./@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
  std::string out(1, '\'');
  for (const char c : word) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out.push_back(c);
    }
  }
  out.push_back('\'');
  return out;
}

}  // namespace

void keep_command_line(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) kept().append(" ").append(quoted(argv[i]));
}

std::string command_line() { return kept(); }

}  // namespace refocus::cli
