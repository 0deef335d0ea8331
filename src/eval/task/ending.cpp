#include "eval/task/ending.h"

#include <algorithm>

namespace refocus {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_word_character(char c) { return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9'); }

bool has_word_at(std::string_view text, std::size_t at, std::string_view word) {
  if (at + word.size() > text.size() || (at > 0 && is_word_character(text[at - 1]))) return false;
  return std::equal(word.begin(), word.end(), text.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, char b) { return a == lower(b); });
}

// Whether nothing but marks stands between the beginning of the line and `at`.
bool begins_line(std::string_view text, std::size_t at) {
  while (at > 0 && text[at - 1] != '\n') {
    if (std::string_view(" \t*_#>").find(text[--at]) == std::string_view::npos) return false;
  }
  return true;
}

// The end of the header whose word is [begin, end); nothing where it is no header.
std::optional<std::size_t> header_end(std::string_view text, std::size_t begin, std::size_t end) {
  std::size_t at = std::min(text.find_first_not_of("*_\"'`)] \t", end), text.size());
  const bool colon = at < text.size() && text[at] == ':';
  if (colon || text.substr(at).starts_with("\uFF1A")) {
    at += colon ? 1 : 3;
    return std::min(text.find_first_not_of("*_", at), text.size());
  }
  const bool line_ends = at == text.size() || text[at] == '\n' || text[at] == '\r';
  if (line_ends && begins_line(text, begin)) return at;
  return std::nullopt;
}

std::string_view without_blanks_at_end(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

}  // namespace

std::optional<std::size_t> statement_begin(std::string_view text) {
  std::optional<std::size_t> found;
  for (std::size_t at = 0; (at = text.find_first_of("rRaA", at)) != std::string_view::npos; ++at) {
    for (const std::string_view word : {"response", "answer"}) {
      if (!has_word_at(text, at, word)) continue;
      if (const auto end = header_end(text, at, at + word.size())) found = end;
    }
  }
  return found;
}

bool expects_statement(std::string_view prompt) {
  const std::string_view asked = without_blanks_at_end(prompt);
  if (const auto begin = statement_begin(asked)) return *begin < asked.size();
  constexpr std::string_view kAnalysis = "analysis:";
  return asked.size() >= kAnalysis.size() && has_word_at(asked, asked.size() - kAnalysis.size(), kAnalysis);
}

bool is_unfinished(const Response& response, const Extraction& found) {
  const bool cut = response.finish_reason == kFinishLength;
  if (found.rule == kPatternRule || !expects_statement(response.question())) return cut;
  const std::string_view text = response.text;
  const auto begin = statement_begin(text);
  if (!begin || text.find_first_not_of(kBlanks, *begin) == std::string_view::npos) return true;
  return cut && found.found() && found.span_begin < static_cast<std::int64_t>(*begin);
}

}  // namespace refocus
