#include "tokenizer/added_tokens.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "tokenizer/pipeline/text_steps.h"

namespace refocus {
namespace {

// A word character as in Unicode's regular expressions (UTS 18, \w): alphabetic characters (letters, letter
// numbers, and the letters in circles and squares among the symbols), marks, decimal digits, connectors, and
// the two joiners.
bool is_word_character(char32_t c) {
  if (c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
      (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189)) {
    return true;
  }
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_ND) ||
         category == UTF8PROC_CATEGORY_NL || category == UTF8PROC_CATEGORY_PC;
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && is_word_character(utf8_step(text.substr(last_code_point(text))).code_point);
}

bool starts_with_word(std::string_view text) {
  return !text.empty() && is_word_character(utf8_step(text).code_point);
}

}  // namespace

void AddedTokenMatcher::add(const AddedToken& token, std::string_view content) {
  if (content.empty()) return;
  if (content.size() > kMaxContent) {
    throw input_error("added tokens",
                      "expected added tokens of at most {} bytes, got one of {} ('{}'); the file is damaged",
                      kMaxContent, content.size(), printable(content, 40));
  }
  std::uint32_t node = 0;
  for (const char c : content) {
    const std::uint64_t key = node * std::uint64_t{256} + static_cast<unsigned char>(c);
    const auto [edge, is_new] = edges_.try_emplace(key, static_cast<std::uint32_t>(node_pattern_.size()));
    if (is_new) node_pattern_.push_back(-1);
    node = edge->second;
  }
  node_pattern_[node] = static_cast<int>(patterns_.size());
  patterns_.push_back({token.id, token.special, token.lstrip, token.rstrip, token.single_word});
  starts_[static_cast<unsigned char>(content[0])] = true;
}

// The pattern that matches the most bytes at the start of `text`, and how many; -1 where none does.
std::pair<int, std::size_t> AddedTokenMatcher::longest_match(std::string_view text) const {
  std::pair<int, std::size_t> best{-1, 0};
  std::uint32_t node = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto edge = edges_.find(node * std::uint64_t{256} + static_cast<unsigned char>(text[i]));
    if (edge == edges_.end()) break;
    node = edge->second;
    if (node_pattern_[node] >= 0) best = {node_pattern_[node], i + 1};
  }
  return best;
}

std::vector<TextPart> AddedTokenMatcher::split(std::string_view text,
                                               const ReadsSpecial& reads_special) const {
  std::vector<TextPart> parts;
  std::size_t done = 0;  // end of the last part
  std::size_t at = 0;
  while (at < text.size()) {
    if (patterns_.empty()) break;
    const auto [index, length] = starts_[static_cast<unsigned char>(text[at])]
                                     ? longest_match(text.substr(at))
                                     : std::pair<int, std::size_t>{-1, 0};
    if (index < 0) {
      ++at;
      continue;
    }
    const Pattern& pattern = patterns_[static_cast<std::size_t>(index)];
    std::size_t begin = at, end = at + length;
    at = end;  // a match that is then refused still uses up its text, as in Hugging Face tokenizers
    if (pattern.special && !reads_special(begin, end)) continue;
    if (pattern.single_word &&
        (ends_with_word(text.substr(0, begin)) || starts_with_word(text.substr(end)))) {
      continue;
    }
    if (pattern.lstrip)
      begin = std::max(done, without_outer_space(text.substr(0, begin), false, true).size());
    if (pattern.rstrip) end = text.size() - without_outer_space(text.substr(end), true, false).size();
    if (done < begin) parts.push_back({-1, done, begin});
    parts.push_back({pattern.id, begin, end});
    done = end;
  }
  if (done < text.size()) parts.push_back({-1, done, text.size()});
  return parts;
}

}  // namespace refocus
