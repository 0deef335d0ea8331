#include "cli/wrapped_lines.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "eval/text/display_width.h"

namespace refocus::cli {

int terminal_columns(int otherwise) {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : otherwise;
}

std::vector<std::string> wrapped_lines(std::string_view text, int columns) {
  std::vector<std::string> out;
  std::string line;
  const auto end_line = [&] { out.push_back(std::exchange(line, {})); };
  const auto add = [&](std::string_view word) {
    while (display_width(word) > columns) {  // a word longer than a line
      std::size_t bytes = 0;
      while (bytes < word.size() && display_width(word.substr(0, bytes + 1)) <= columns) ++bytes;
      while (bytes > 1 && (static_cast<unsigned char>(word[bytes]) & 0xC0) == 0x80) --bytes;
      if (!line.empty()) end_line();
      line = word.substr(0, std::max<std::size_t>(bytes, 1));
      word.remove_prefix(line.size());
      end_line();
    }
    if (!line.empty() && display_width(line) + 1 + display_width(word) > columns) end_line();
    line += (line.empty() ? "" : " ") + std::string(word);
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t next = std::min(text.find_first_of(" \n", at), text.size());
    if (next > at) add(text.substr(at, next - at));
    if (next < text.size() && text[next] == '\n') end_line();
    at = next + 1;
  }
  if (!line.empty()) end_line();
  return out;
}

}  // namespace refocus::cli
