#include "eval/extract/option_text.h"

#include <algorithm>

#include "eval/extract/plain_text.h"

namespace refocus {

namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The ASCII twin of a typographic quote, dash or space at `at`, and its length in bytes; 0 where there is
// none.
std::pair<char, std::size_t> plain_twin(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  if (at + 1 < text.size() && byte(0) == 0xC2 && byte(1) == 0xA0) return {' ', 2};
  if (at + 2 >= text.size() || byte(0) != 0xE2) return {0, 0};
  if (byte(1) == 0x88 && byte(2) == 0x92) return {'-', 3};
  if (byte(1) != 0x80) return {0, 0};
  if (byte(2) >= 0x90 && byte(2) <= 0x95) return {'-', 3};
  if (byte(2) == 0x98 || byte(2) == 0x99) return {'\'', 3};
  if (byte(2) == 0x9C || byte(2) == 0x9D) return {'"', 3};
  return {0, 0};
}

// The folded character at `at`; moves `at` past it. A run of white space is one space.
char next_folded(std::string_view text, std::size_t& at) {
  const auto step = [&]() -> char {
    const auto [twin, length] = plain_twin(text, at);
    if (length > 0) {
      at += length;
      return twin;
    }
    const char c = text[at++];
    if (is_space(c)) return ' ';
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char c = step();
  if (c != ' ') return c;
  while (at < text.size()) {
    const std::size_t before = at;
    if (step() != ' ') {
      at = before;
      break;
    }
  }
  return ' ';
}

std::string fold(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) out += next_folded(text, at);
  while (!out.empty() && (out.back() == ' ' || out.back() == '.')) out.pop_back();
  out.erase(0, std::min(out.find_first_not_of(' '), out.size()));
  return out;
}

// Whether a text that begins with `first` may begin at `at`: not inside a word, and no part of a number.
bool begins_there(std::string_view text, std::size_t at, char first) {
  if (at == 0) return true;
  const char before = text[at - 1];
  if (is_digit(first)) {
    if (before == '-' || before == '/' || before == '^' || before == '$') return false;
    if ((before == '.' || before == ',') && at > 1 && is_digit(text[at - 2])) return false;
    if (at > 2 && plain_twin(text, at - 3) == std::pair<char, std::size_t>{'-', 3}) return false;
  }
  return !is_word(first) || !is_word(before);
}

// Whether a text that ends with `last` may end at `end`.
bool ends_there(std::string_view text, std::size_t end, char last) {
  if (end == text.size()) return true;
  const char after = text[end];
  if (is_digit(last)) {
    if (after == '%' || after == '/' || after == '^') return false;
    if ((after == '.' || after == ',') && end + 1 < text.size() && is_digit(text[end + 1])) return false;
  }
  return !is_word(last) || !is_word(after);
}

}  // namespace

OptionTexts::OptionTexts(std::span<const std::string> choices) {
  for (const std::string& choice : choices) {
    folded_.push_back(fold(choice));
    if (folded_.back().empty()) continue;
    const char first = folded_.back()[0];
    may_begin_[static_cast<unsigned char>(first)] = true;
    if (first >= 'a' && first <= 'z') may_begin_[static_cast<unsigned char>(first - 'a' + 'A')] = true;
    if (first == '-' || first == '\'' || first == '"') may_begin_[0xE2] = true;
  }
}

std::optional<std::size_t> OptionTexts::end_of(int k, std::string_view text, std::size_t at) const {
  const std::string& wanted = folded_[static_cast<std::size_t>(k)];
  if (wanted.empty() || at >= text.size() || !begins_there(text, at, wanted[0])) return std::nullopt;
  for (const char c : wanted) {
    if (at >= text.size() || next_folded(text, at) != c) return std::nullopt;
  }
  if (!ends_there(text, at, wanted.back())) return std::nullopt;
  return at;
}

std::optional<Quote> OptionTexts::longest_at(std::string_view text, std::size_t at) const {
  if (at >= text.size() || !may_begin_[static_cast<unsigned char>(text[at])]) return std::nullopt;
  std::optional<Quote> best;
  for (std::size_t k = 0; k < folded_.size(); ++k) {
    const std::optional<std::size_t> end = end_of(static_cast<int>(k), text, at);
    if (!end || (best && *end < best->span.end)) continue;
    if (!best || *end > best->span.end) best = Quote{{at, *end}, 0, false};
    best->options |= std::uint32_t{1} << k;
    const std::string& wanted = folded_[k];
    best->brief = wanted.size() <= 3 || wanted.find_first_not_of("0123456789.,") == std::string::npos;
  }
  return best;
}

bool OptionTexts::mentions(int k, std::string_view word) const {
  return folded_[static_cast<std::size_t>(k)].find(fold(word)) != std::string::npos;
}

std::vector<Quote> OptionTexts::all(std::string_view text) const {
  std::vector<Quote> quotes;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::optional<Quote> quote = longest_at(text, at);
    if (!quote || (!quotes.empty() && quote->span.end <= quotes.back().span.end)) continue;
    quotes.push_back(*quote);
  }
  return quotes;
}

}  // namespace refocus
