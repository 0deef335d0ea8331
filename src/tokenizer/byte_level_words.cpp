#include "tokenizer/byte_level_words.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace refocus {

namespace {

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// What llama.cpp falls back to: punctuation alone, then GPT-2's words, digits in threes.
constexpr std::string_view kPunctuation = R"([\p{P}\$\+<=>\^~\|]+)";

const std::vector<ByteLevelWords>& table() {
  static const std::vector<ByteLevelWords> words = {
      {{"llama-bpe", "llama3", "llama-v3", "falcon3"}, {kLlama3}, true, false, true},
      {{"qwen2", "deepseek-r1-qwen"}, {kQwen2}, false, true, false},
      {{"gpt-2"}, {kGpt2}, false, false, false},
      {{"smollm"}, {R"(\p{N})", kGpt2}, false, false, false},
      {{"default"}, {kPunctuation, kGpt2, R"(\p{N}+)", R"([0-9][0-9][0-9])"}, false, false, false},
  };
  return words;
}

}  // namespace

std::span<const ByteLevelWords> known_byte_level_words() { return table(); }

const ByteLevelWords* find_byte_level_words(std::string_view name) {
  if (name.empty()) name = "default";
  for (const ByteLevelWords& words : table()) {
    if (std::find(words.names.begin(), words.names.end(), name) != words.names.end()) return &words;
  }
  return nullptr;
}

std::string byte_level_names() {
  std::vector<std::string_view> names;
  for (const ByteLevelWords& words : table()) names.push_back(words.names.front());
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace refocus
