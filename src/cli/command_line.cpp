#include "cli/command_line.h"

#include <string_view>
#include <utility>
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

void keep_command_line(const std::vector<std::string>& arguments) {
  for (const std::string_view argument : arguments) kept().append(" ").append(quoted(argument));
}

std::string command_line() { return kept(); }

KeptCommandLine::KeptCommandLine(std::string line) : before_(std::exchange(kept(), std::move(line))) {}
KeptCommandLine::~KeptCommandLine() { kept() = std::move(before_); }

}  // namespace refocus::cli
