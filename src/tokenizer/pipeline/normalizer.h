// The "normalizer" of a tokenizer.json: what is done to a text before it is cut into words.
//
// Known: NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip, Lowercase, StripAccents, Nmt, Precompiled, ByteLevel,
// Sequence. Any other type (BertNormalizer) is an error.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/character_map.h"
#include "tokenizer/json.h"
#include "tokenizer/pipeline/regex.h"
#include "tokenizer/pipeline/unicode_normal_form.h"

namespace refocus {

// A pattern of a tokenizer.json: {"String": ".."} or {"Regex": ".."}.
class TextPattern {
 public:
  TextPattern(const std::string& where, JsonObject json);
  explicit TextPattern(Regex regex) : pattern_(std::move(regex)) {}
  explicit TextPattern(std::string literal) : pattern_(std::move(literal)) {}
  // All matches in `text` from left to right, as [begin, end) in bytes.
  std::vector<std::pair<std::size_t, std::size_t>> find_all(std::string_view text) const;

 private:
  std::variant<std::string, Regex> pattern_;
};

// `text` with `content` in place of every match. InputError "[where] expected {what}, .." where the result
// would have more than `max_size` bytes.
std::string replace_all(const TextPattern& pattern, std::string_view text, std::string_view content,
                        std::size_t max_size, const std::string& where, std::string_view what);

class Normalizer {
 public:
  Normalizer() = default;  // leaves a text as it is
  Normalizer(const std::string& where, JsonObject json) : where_(where) { add(where, json); }

  // Normalizes one stretch of text between added tokens; an empty one stays empty. InputError where the text
  // would become many times longer (a hostile file).
  std::string apply(std::string_view text) const;

  // Whether the result is in GPT-2's spelling of bytes.
  bool spells_bytes() const { return spells_bytes_; }

 private:
  struct Prepend {
    std::string prefix;
  };
  struct Replace {
    TextPattern pattern;
    std::string content;
  };
  struct Strip {
    bool left = false, right = false;
  };
  enum class Simple { kLowercase, kStripAccents, kNmt, kByteLevel };
  using Step = std::variant<NormalForm, Prepend, Replace, Strip, Simple, CharacterMap>;

  void add(const std::string& where, JsonObject json);
  bool add_simple(std::string_view type);
  std::string step(const Step& step, std::string text, std::size_t max_size) const;

  std::string where_;
  std::vector<Step> steps_;
  bool spells_bytes_ = false;
};

}  // namespace refocus
