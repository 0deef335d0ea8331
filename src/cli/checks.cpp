#include "cli/checks.h"

#include <fmt/ranges.h>

#include "base/nearest_word.h"

namespace refocus::cli {

namespace {

// "f32, f16 or q8_0".
std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

}  // namespace

CLI::Validator one_of(std::vector<std::string> words) {
  const std::string description = fmt::format("{{{}}}", fmt::join(words, ","));
  return {[words = std::move(words)](std::string& text) -> std::string {
            for (const std::string& word : words) {
              if (text == word) return "";
            }
            const std::vector<std::string_view> known(words.begin(), words.end());
            return fmt::format("expected {}, got '{}'{}", listed(words), printable(text),
                               did_you_mean(text, known));
          },
          description};
}

}  // namespace refocus::cli
