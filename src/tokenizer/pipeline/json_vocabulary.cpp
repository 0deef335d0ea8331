// A tokenizer.json as a StoredVocabulary: a byte-level BPE by the name of its pre-tokenizer, or a BPE with
// byte fallback (Llama-2's kind) as SentencePiece would have it, its merges turned into scores.
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_node.h"
#include "base/text_file.h"
#include "tokenizer/pipeline/byte_level_words.h"
#include "tokenizer/stored_tokenizer.h"
#include "tokenizer/tokenizer_files.h"

namespace refocus {

namespace {

using nlohmann::json;
using Node = JsonNode<json>;

[[noreturn]] void refuse(const std::string& where, std::string_view what) {
  throw input_error(where, "has {}; GGUF files of LLaMA models cannot hold such a tokenizer", what);
}

// Steps of a normalizer or pre-tokenizer, sequences flattened.
void flatten(const Node& step, const char* list, std::vector<Node>& out) {
  if (step.at("type").text() != "Sequence") {
    out.push_back(step);
    return;
  }
  for (const Node& part : step.at(list).items()) flatten(part, list, out);
}

std::vector<Node> steps_of(const Node& root, const char* key, const char* list) {
  std::vector<Node> out;
  if (const auto step = root.find(key)) flatten(*step, list, out);
  return out;
}

bool flag(const Node& object, const char* key, bool absent) {
  const auto member = object.find(key);
  return member ? member->flag() : absent;
}

// A text member, or what an absent one means.
std::string text_or(const Node& object, const char* key, const char* absent) {
  const auto member = object.find(key);
  return member ? member->text() : absent;
}

// Whether the step makes each match of its regular expression a word and loses nothing. Removing what does
// not match loses nothing where the expression matches any text, as those do that end in what is left of
// spaces.
bool isolates(const Node& step) {
  const auto regex = step.at("pattern").find("Regex");
  if (!regex) return false;
  const std::string behavior = text_or(step, "behavior", "");
  const bool invert = flag(step, "invert", false);
  return (behavior == "Isolated" && !invert) ||
         (behavior == "Removed" && invert && regex->text().ends_with(R"(|\s+(?!\S)|\s+)"));
}

// The known way of cutting words that the file spells out.
const ByteLevelWords& words_of(const Node& root, const std::string& where) {
  const std::string_view gpt2 = find_byte_level_words("gpt-2")->patterns[0];
  std::vector<std::string> patterns;
  bool plain = true;
  for (const Node& step : steps_of(root, "pre_tokenizer", "pretokenizers")) {
    const std::string& type = step.at("type").text();
    if (type == "Split" && isolates(step)) {
      patterns.push_back(step.at("pattern").at("Regex").text());
    } else if (type == "Digits" && flag(step, "individual_digits", false)) {
      patterns.emplace_back(R"(\p{N})");
    } else if (type == "ByteLevel" && !flag(step, "add_prefix_space", true)) {
      if (flag(step, "use_regex", true)) patterns.emplace_back(gpt2);
    } else {
      plain = false;
    }
  }
  const auto normalizers = steps_of(root, "normalizer", "normalizers");
  const bool nfc = normalizers.size() == 1 && normalizers[0].at("type").text() == "NFC";
  const bool ignore_merges = flag(root.at("model"), "ignore_merges", false);
  for (const ByteLevelWords& words : known_byte_level_words()) {
    const bool same =
        std::equal(patterns.begin(), patterns.end(), words.patterns.begin(), words.patterns.end());
    if (plain && same && words.ignore_merges == ignore_merges && words.nfc == nfc &&
        (nfc || normalizers.empty())) {
      return words;
    }
  }
  refuse(where, "a pre-tokenizer or normalizer that has no name in GGUF files");
}

std::vector<std::pair<std::string, std::string>> merges_of(const Node& model) {
  std::vector<std::pair<std::string, std::string>> merges;
  for (const Node& merge : model.at("merges").items()) {
    if (merge.json().is_string()) {
      const std::string& text = merge.text();
      const std::size_t space = text.find(' ');
      if (space == std::string::npos) merge.fail("two pieces with a blank between them");
      merges.emplace_back(text.substr(0, space), text.substr(space + 1));
    } else {
      const std::vector<Node> pair = merge.items();
      if (pair.size() != 2) merge.fail("two pieces");
      merges.emplace_back(pair[0].text(), pair[1].text());
    }
  }
  return merges;
}

// SentencePiece joins two pieces wherever the result is a piece, best score first. Merges say the same where
// those with one result stand together and none is missing; then the score is minus their place.
void check_same_as_scores(const Tokenizer& tokenizer,
                          const std::vector<std::pair<std::string, std::string>>& merges,
                          const std::string& where) {
  std::map<std::string, std::size_t> ways;
  const std::string* last = nullptr;
  for (const auto& [left, right] : merges) {
    const auto [it, first] = ways.emplace(left + right, 0);
    if (!first && &it->first != last) refuse(where, "merges that no scores express");
    last = &it->first;
    ++it->second;
  }
  for (const auto& [piece, count] : ways) {
    std::size_t possible = 0;
    for (std::size_t cut = 1; cut < piece.size(); ++cut) {
      if ((static_cast<unsigned char>(piece[cut]) & 0xC0) == 0x80) continue;  // inside a character
      const auto usable = [&](std::string_view part) {
        const auto id = tokenizer.find(part);
        return id && tokenizer.kind(*id) == TokenKind::kNormal;
      };
      if (usable(std::string_view(piece).substr(0, cut)) && usable(std::string_view(piece).substr(cut)))
        ++possible;
    }
    if (possible != count) refuse(where, "merges that no scores express");
  }
}

// Whether the text is prefixed with a space; refuses anything but Llama-2's ways of writing spaces as U+2581.
bool takes_space_prefix(const Node& root, const std::string& where) {
  bool prefix = false, spaces = false, known = true;
  for (const Node& step : steps_of(root, "normalizer", "normalizers")) {
    const std::string& type = step.at("type").text();
    if (type == "Prepend" && text_or(step, "prepend", "") == "▁") {
      prefix = true;
    } else if (type == "Replace" && step.at("pattern").json() == json{{"String", " "}} &&
               text_or(step, "content", "") == "▁") {
      spaces = true;
    } else {
      known = false;
    }
  }
  for (const Node& step : steps_of(root, "pre_tokenizer", "pretokenizers")) {
    const bool metaspace = step.at("type").text() == "Metaspace" &&
                           text_or(step, "replacement", "▁") == "▁" && !flag(step, "split", true);
    known = known && metaspace;
    spaces = true;
    prefix = prefix || text_or(step, "prepend_scheme", "always") != "never";
  }
  if (!known || !spaces) refuse(where, "a normalizer or pre-tokenizer other than Llama-2's");
  return prefix;
}

void take_scores(const Node& root, const Tokenizer& tokenizer, const std::string& where,
                 StoredVocabulary& out) {
  const Node model = root.at("model");
  if (!flag(model, "byte_fallback", false)) refuse(where, "neither byte-level words nor byte fallback");
  out.add_space_prefix = takes_space_prefix(root, where);
  out.remove_extra_whitespaces = false;
  const auto merges = merges_of(model);
  check_same_as_scores(tokenizer, merges, where);
  std::map<std::string, float> scores;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    scores.emplace(merges[rank].first + merges[rank].second, -static_cast<float>(rank));
  }
  for (std::size_t id = 0; id < out.tokens.size(); ++id) {
    const auto it = scores.find(out.tokens[id]);
    out.scores.push_back(it != scores.end() ? it->second : -static_cast<float>(merges.size() + id));
  }
  if (const auto unknown = model.find("unk_token")) {
    if (const auto id = tokenizer.find(unknown->text())) {
      out.unknown_id = *id;
      out.types[static_cast<std::size_t>(*id)] = static_cast<std::int32_t>(StoredTokenType::kUnknown);
    }
  }
}

}  // namespace

StoredVocabulary json_vocabulary(const std::filesystem::path& model_directory) {
  const std::filesystem::path path = model_directory / kTokenizerJsonName;
  const std::string where = path.string();
  const auto tokenizer = load_json_tokenizer(model_directory);
  const JsonSource source{where, "download the file again"};
  const json file = parse_json_object(read_text_file(path), source);
  const Node root(file, source);
  if (root.at("model").at("vocab").json().is_array()) refuse(where, "a unigram model");
  StoredVocabulary out;
  for (std::int32_t id = 0; id < tokenizer->vocab_size(); ++id) {
    const StoredTokenType type = stored_type(*tokenizer, id);
    out.tokens.push_back(type == StoredTokenType::kUnused ? placeholder(id) : tokenizer->piece(id));
    out.types.push_back(static_cast<std::int32_t>(type));
  }
  bool byte_level = false;
  for (const Node& step : steps_of(root, "pre_tokenizer", "pretokenizers")) {
    byte_level = byte_level || step.at("type").text() == "ByteLevel";
  }
  if (!byte_level) {
    out.model = "llama";
    out.pre = "default";
    take_scores(root, *tokenizer, where, out);
    return out;
  }
  out.model = "gpt2";
  out.pre = words_of(root, where).names.front();
  for (const auto& [left, right] : merges_of(root.at("model"))) out.merges.push_back(left + " " + right);
  return out;
}

}  // namespace refocus
