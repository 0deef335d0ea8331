#include "dataset/world_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/random.h"

namespace refocus {

std::string told_question(const World& world, const WorldQuestion& question) {
  return fmt::format("{} {}", fmt::join(world.facts, " "), question.text);
}

std::string listed_choices(const WorldQuestion& question) {
  std::string out;
  for (int i = 0; i < 4; ++i) out += fmt::format("\n{}. {}", static_cast<char>('A' + i), question.choices[i]);
  return out;
}

std::string analysis(const WorldQuestion& question) {
  std::string out =
      fmt::format(" {} so {}.", fmt::join(question.steps, " "), question.choices[question.answer]);
  for (int i = 0; i < 4; ++i) {
    out += fmt::format(" {}. {}: {}.", static_cast<char>('A' + i), question.choices[i],
                       i == question.answer ? "yes" : "no");
  }
  return out + "\nResponse:" + response_letter(question);
}

std::string response_letter(const WorldQuestion& question) {
  return {' ', static_cast<char>('A' + question.answer)};
}

WorldSplit split_of(std::string_view told) {
  std::uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
  for (const char c : told) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  const std::uint64_t part = SplitMix64(hash).below(16);
  return part == 0 ? WorldSplit::kTest : part == 1 ? WorldSplit::kValidation : WorldSplit::kTrain;
}

std::int64_t count_words(std::string_view text) {
  std::int64_t count = 0;
  bool in_word = false;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter ? !in_word : c != ' ') ++count;
    in_word = letter;
  }
  return count;
}

}  // namespace refocus
