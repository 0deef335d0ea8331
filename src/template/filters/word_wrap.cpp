#include "template/filters/word_wrap.h"

#include <algorithm>

#include "base/utf8.h"
#include "template/characters.h"
#include "template/pattern.h"

namespace refocus::jinja {
namespace {

// textwrap's wordsep_re and wordsep_simple_re: blanks, dashes between words, and words that may end at a
// hyphen.
constexpr std::string_view kWords =
    R"((?:[\t\n\x0b\x0c\r ]+|(?<=[\w!"'&.,?])-{2,}(?=\w)|[^\t\n\x0b\x0c\r ]+?(?:-(?:(?<=[^\d\W]{2}-)|(?<=[^\d\W]-[^\d\W]-))(?=[^\d\W]-?[^\d\W])|(?=[\t\n\x0b\x0c\r ]|\z)|(?<=[\w!"'&.,?])(?=-{2,}\w))))";
constexpr std::string_view kBlanks = R"([\t\n\x0b\x0c\r ]+)";

std::vector<Text> chunks_of(Runtime& runtime, const Text& text, bool at_hyphens) {
  static const Pattern words("wordwrap", kWords), blanks("wordwrap", kBlanks);
  std::vector<Text> out;
  std::size_t at = 0;
  const auto add = [&](std::size_t begin, std::size_t end) {
    if (end > begin) out.push_back(text.bytes_between(begin, end));
  };
  runtime.charge(text.size());
  for (const Match& match : (at_hyphens ? words : blanks).find_all(text.bytes(), 0)) {
    add(at, match.groups[0].first);
    add(match.groups[0].first, match.groups[0].second);
    at = match.groups[0].second;
  }
  add(at, text.size());
  runtime.check_items(out.size());
  return out;
}

bool is_blank(const Text& text) { return stripped(text.bytes(), nullptr, true, false).first == text.size(); }

class Wrapper {
 public:
  Wrapper(Runtime& runtime, const Text& text, const WrapSettings& settings)
      : runtime_(runtime), settings_(settings), chunks_(chunks_of(runtime, text, settings.break_on_hyphens)) {
    std::ranges::reverse(chunks_);
  }

  std::vector<Text> run() {
    std::vector<Text> lines;
    while (!chunks_.empty()) {
      runtime_.charge(1);
      if (is_blank(chunks_.back()) && !lines.empty()) chunks_.pop_back();
      std::vector<Text> line;
      std::int64_t taken = 0;
      while (!chunks_.empty() && taken + length(chunks_.back()) <= settings_.width) take(line, taken);
      if (!chunks_.empty() && length(chunks_.back()) > settings_.width) long_word(line, taken);
      if (!line.empty() && is_blank(line.back())) line.pop_back();
      if (!line.empty()) lines.push_back(joined_texts_of(line));
      runtime_.check_items(lines.size());
    }
    return lines;
  }

 private:
  static std::int64_t length(const Text& text) { return static_cast<std::int64_t>(text.length()); }

  void take(std::vector<Text>& line, std::int64_t& taken) {
    taken += length(chunks_.back());
    line.push_back(std::move(chunks_.back()));
    chunks_.pop_back();
  }

  // A word that does not fit onto any line: what fits of it, or all of it on a line of its own.
  void long_word(std::vector<Text>& line, std::int64_t taken) {
    const std::int64_t space = settings_.width < 1 ? 1 : settings_.width - taken;
    if (!settings_.break_long_words) {
      if (line.empty()) take(line, taken);
      return;
    }
    Text& word = chunks_.back();
    runtime_.charge(word);
    std::size_t end = word.byte_of(static_cast<std::size_t>(std::max<std::int64_t>(space, 0)));
    if (settings_.break_on_hyphens && length(word) > space) {
      const std::size_t hyphen = word.bytes().substr(0, end).rfind('-');
      if (hyphen != std::string_view::npos && hyphen > 0 &&
          word.bytes().substr(0, hyphen).find_first_not_of('-') != std::string_view::npos) {
        end = hyphen + 1;
      }
    }
    line.push_back(word.bytes_between(0, end));
    word = word.bytes_between(end, word.size());
  }

  Text joined_texts_of(const std::vector<Text>& parts) {
    TextBuilder out = runtime_.builder();
    for (const Text& part : parts) out.add(part);
    return out.take();
  }

  Runtime& runtime_;
  const WrapSettings& settings_;
  std::vector<Text> chunks_;  // the next one last
};

}  // namespace

std::vector<Text> wrapped(Runtime& runtime, const Text& text, const WrapSettings& settings) {
  if (settings.width <= 0) fail("expected a width of at least 1 in 'wordwrap', got {}", settings.width);
  return Wrapper(runtime, text, settings).run();
}

}  // namespace refocus::jinja
