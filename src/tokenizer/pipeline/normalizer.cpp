#include "tokenizer/pipeline/normalizer.h"

#include <cstdint>
#include <unordered_map>

#include "base/error.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pipeline/text_steps.h"

namespace refocus {
namespace {

constexpr std::string_view kKeepsLength = "a normalizer that keeps a text's length";

[[noreturn]] void refuse_growth(const std::string& where, std::string_view what, std::size_t max_size) {
  throw input_error(where, "expected {}, got over {} bytes; the file is damaged", what, max_size);
}

// The bytes of a text in Base64 (RFC 4648, section 4).
std::string base64_bytes(const std::string& where, std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) {
      throw input_error(where, "expected Base64 as \"precompiled_charsmap\", got '{}'; the file is damaged",
                        printable(std::string(1, c)));
    }
    bits = (bits << 6 | static_cast<std::uint32_t>(digit)) & 0xFFFFFF;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFF);
  }
  return out;
}

}  // namespace

TextPattern::TextPattern(const std::string& where, JsonObject json) {
  if (const auto text = json_string(where, json, "String")) {
    pattern_ = std::string(*text);
  } else {
    pattern_ = Regex(where, required(where, "Regex", json_string(where, json, "Regex")));
  }
}

std::vector<std::pair<std::size_t, std::size_t>> TextPattern::find_all(std::string_view text) const {
  if (const auto* regex = std::get_if<Regex>(&pattern_)) return regex->find_all(text);
  const auto& literal = std::get<std::string>(pattern_);
  std::vector<std::pair<std::size_t, std::size_t>> matches;
  if (literal.empty()) return matches;
  for (std::size_t at = text.find(literal); at != std::string_view::npos;
       at = text.find(literal, at + literal.size())) {
    matches.emplace_back(at, at + literal.size());
  }
  return matches;
}

std::string replace_all(const TextPattern& pattern, std::string_view text, std::string_view content,
                        std::size_t max_size, const std::string& where, std::string_view what) {
  std::string out;
  std::size_t done = 0;
  for (const auto& [begin, end] : pattern.find_all(text)) {
    out += text.substr(done, begin - done);
    out += content;
    done = end;
    if (out.size() > max_size) refuse_growth(where, what, max_size);
  }
  return out += text.substr(done);
}

bool Normalizer::add_simple(std::string_view type) {
  static const std::unordered_map<std::string_view, Step> kSteps = {
      {"NFC", NormalForm::kNfc},   {"NFD", NormalForm::kNfd},         {"NFKC", NormalForm::kNfkc},
      {"NFKD", NormalForm::kNfkd}, {"Lowercase", Simple::kLowercase}, {"StripAccents", Simple::kStripAccents},
      {"Nmt", Simple::kNmt},       {"ByteLevel", Simple::kByteLevel},
  };
  const auto found = kSteps.find(type);
  if (found == kSteps.end()) return false;
  steps_.push_back(found->second);
  spells_bytes_ = spells_bytes_ || type == "ByteLevel";
  return true;
}

void Normalizer::add(const std::string& where, JsonObject json) {
  const std::string_view type = json_type(where, json);
  if (type == "Sequence") {
    for (const JsonValue part : required(where, "normalizers", json_array(where, json, "normalizers"))) {
      add(where, as_object(where, "a normalizer", part));
    }
  } else if (add_simple(type)) {
    // Types without settings.
  } else if (type == "Prepend") {
    steps_.emplace_back(Prepend{json_short_string(where, json, "prepend")});
  } else if (type == "Replace") {
    steps_.emplace_back(
        Replace{TextPattern(where, required(where, "pattern", json_object(where, json, "pattern"))),
                json_short_string(where, json, "content")});
  } else if (type == "Strip") {
    steps_.emplace_back(Strip{json_bool(where, json, "strip_left").value_or(false),
                              json_bool(where, json, "strip_right").value_or(false)});
  } else if (type == "Precompiled") {
    const std::string_view map =
        required(where, "precompiled_charsmap", json_string(where, json, "precompiled_charsmap"));
    steps_.emplace_back(CharacterMap(where, base64_bytes(where, map)));
  } else {
    throw input_error(
        where,
        "expected a normalizer of type NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip, Lowercase, "
        "StripAccents, Nmt, Precompiled, ByteLevel or Sequence, got '{}'; this tokenizer is not "
        "supported",
        printable(type));
  }
}

std::string Normalizer::step(const Step& step, std::string text, std::size_t max_size) const {
  if (const auto* form = std::get_if<NormalForm>(&step)) return normalize_unicode(text, *form);
  if (const auto* prepend = std::get_if<Prepend>(&step)) return text.insert(0, prepend->prefix);
  if (const auto* strip = std::get_if<Strip>(&step)) {
    return std::string(without_outer_space(text, strip->left, strip->right));
  }
  if (const auto* map = std::get_if<CharacterMap>(&step)) return map->apply(text, max_size);
  if (const auto* replace = std::get_if<Replace>(&step)) {
    return replace_all(replace->pattern, text, replace->content, max_size, where_, kKeepsLength);
  }
  switch (std::get<Simple>(step)) {
    case Simple::kLowercase:
      return lower_case(text);
    case Simple::kStripAccents:
      return without_marks(text);
    case Simple::kNmt:
      return nmt_text(text);
    case Simple::kByteLevel:
      break;
  }
  return spell_bytes(text);
}

std::string Normalizer::apply(std::string_view text) const {
  const std::size_t max_size =
      64 * text.size() + 4096;  // NFKD makes 11 times as many bytes of some characters
  std::string result(text);
  for (const Step& one : steps_) {
    if (result.empty()) break;
    result = step(one, std::move(result), max_size);
    if (result.size() > max_size) refuse_growth(where_, kKeepsLength, max_size);
  }
  return result;
}

}  // namespace refocus
