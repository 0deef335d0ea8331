#include "tokenizer/normalizer.h"

#include "base/error.h"

namespace refocus {

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

std::string Normalizer::Replace::apply(const std::string& where, std::string_view text,
                                       std::size_t max_size) const {
  std::string out;
  std::size_t done = 0;
  for (const auto& [begin, end] : pattern.find_all(text)) {
    out += text.substr(done, begin - done);
    out += content;
    done = end;
    if (out.size() > max_size) {
      throw input_error(
          where, "expected a normalizer that keeps a text's length, got over {} bytes; the file is damaged",
          max_size);
    }
  }
  return out += text.substr(done);
}

void Normalizer::add(const std::string& where, JsonObject json) {
  const std::string_view type = json_type(where, json);
  if (type == "Sequence") {
    for (const JsonValue part : required(where, "normalizers", json_array(where, json, "normalizers"))) {
      add(where, as_object(where, "a normalizer", part));
    }
  } else if (type == "NFC") {
    steps_.emplace_back(NormalForm::kNfc);
  } else if (type == "NFD") {
    steps_.emplace_back(NormalForm::kNfd);
  } else if (type == "NFKC") {
    steps_.emplace_back(NormalForm::kNfkc);
  } else if (type == "NFKD") {
    steps_.emplace_back(NormalForm::kNfkd);
  } else if (type == "Prepend") {
    steps_.emplace_back(Prepend{json_short_string(where, json, "prepend")});
  } else if (type == "Replace") {
    steps_.emplace_back(
        Replace{TextPattern(where, required(where, "pattern", json_object(where, json, "pattern"))),
                json_short_string(where, json, "content")});
  } else {
    throw input_error(where,
                      "expected a normalizer of type NFC, NFD, NFKC, NFKD, Prepend, Replace or Sequence, got "
                      "'{}'; this tokenizer is not supported",
                      printable(type));
  }
}

std::string Normalizer::apply(std::string_view text) const {
  const std::size_t max_size =
      64 * text.size() + 4096;  // NFKD makes 11 times as many bytes of some characters
  std::string result(text);
  for (const auto& step : steps_) {
    if (result.empty()) break;
    if (const auto* form = std::get_if<NormalForm>(&step)) {
      result = normalize_unicode(result, *form);
    } else if (const auto* prepend = std::get_if<Prepend>(&step)) {
      result.insert(0, prepend->prefix);
    } else {
      const auto& replace = std::get<Replace>(step);
      result = replace.apply(where_, result, max_size);
    }
  }
  return result;
}

}  // namespace refocus
