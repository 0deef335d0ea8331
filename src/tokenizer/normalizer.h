// The "normalizer" of a tokenizer.json: what is done to a text before it is cut into words.
//
// Known: NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence. Any other type is an error.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/json.h"
#include "tokenizer/regex.h"
#include "tokenizer/unicode_normal_form.h"

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

// Every match of `pattern` in `text` replaced by `content`.
std::string replace_all(std::string_view text, const TextPattern& pattern, std::string_view content);

class Normalizer {
 public:
  Normalizer() = default;  // leaves a text as it is
  Normalizer(const std::string& where, JsonObject json) { add(where, json); }

  // Normalizes one stretch of text between added tokens; an empty one stays empty.
  std::string apply(std::string_view text) const;

 private:
  struct Prepend {
    std::string prefix;
  };
  struct Replace {
    TextPattern pattern;
    std::string content;
  };
  void add(const std::string& where, JsonObject json);

  std::vector<std::variant<NormalForm, Prepend, Replace>> steps_;
};

}  // namespace refocus
