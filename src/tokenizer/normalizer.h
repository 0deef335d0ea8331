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

class Normalizer {
 public:
  Normalizer() = default;  // leaves a text as it is
  Normalizer(const std::string& where, JsonObject json) : where_(where) { add(where, json); }

  // Normalizes one stretch of text between added tokens; an empty one stays empty. InputError where the text
  // would become many times longer (a hostile file).
  std::string apply(std::string_view text) const;

 private:
  struct Prepend {
    std::string prefix;
  };
  struct Replace {
    TextPattern pattern;
    std::string content;

    std::string apply(const std::string& where, std::string_view text, std::size_t max_size) const;
  };
  void add(const std::string& where, JsonObject json);

  std::string where_;
  std::vector<std::variant<NormalForm, Prepend, Replace>> steps_;
};

}  // namespace refocus
