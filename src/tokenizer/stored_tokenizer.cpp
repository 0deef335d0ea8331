// A StoredVocabulary as a tokenizer: written as the file that the tokenizers here read anyway, a
// SentencePiece ModelProto or a tokenizer.json, so that there is one encoder of each kind.
#include "tokenizer/stored_tokenizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_set>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/utf8.h"
#include "tokenizer/pipeline/byte_level_words.h"
#include "tokenizer/pipeline/json_tokenizer.h"
#include "tokenizer/sentencepiece/sentencepiece_model.h"

namespace refocus {

namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581, how pieces spell a space

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(0x80 | (value & 0x7F));
  out += static_cast<char>(value);
}

void append_number(std::string& out, unsigned field, std::uint64_t value) {
  append_varint(out, std::uint64_t{field} << 3);
  append_varint(out, value);
}

void append_bytes(std::string& out, unsigned field, std::string_view bytes) {
  append_varint(out, std::uint64_t{field} << 3 | 2);
  append_varint(out, bytes.size());
  out += bytes;
}

void append_float(std::string& out, unsigned field, float value) {
  append_varint(out, std::uint64_t{field} << 3 | 5);
  out.append(reinterpret_cast<const char*>(&value), 4);
}

bool spells_byte(std::string_view piece) {
  return piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with(">");
}

void check_ids(const std::string& where, const StoredVocabulary& stored) {
  const std::size_t count = stored.tokens.size();
  if (count == 0 || count > static_cast<std::size_t>(TokenTable::kMaxIds)) {
    throw input_error(where, "expected 1 to {} tokens in tokenizer.ggml.tokens, got {}; convert it again",
                      TokenTable::kMaxIds, count);
  }
  if (!stored.types.empty() && stored.types.size() != count) {
    throw input_error(where, "expected {} values in tokenizer.ggml.token_type, got {}; convert it again",
                      count, stored.types.size());
  }
  for (const auto& id : {stored.bos_id, stored.eos_id, stored.eot_id, stored.eom_id, stored.unknown_id}) {
    if (id && (*id < 0 || static_cast<std::size_t>(*id) >= count)) {
      throw input_error(where, "expected special token ids below {}, got {}; convert it again", count, *id);
    }
  }
}

// The type of each token; where the file has none, guessed from what is known.
std::vector<StoredTokenType> types_of(const StoredVocabulary& stored) {
  std::vector<StoredTokenType> types(stored.tokens.size(), StoredTokenType::kNormal);
  for (std::size_t id = 0; id < types.size(); ++id) {
    if (stored.types.empty()) {
      if (stored.model == "llama" && spells_byte(stored.tokens[id])) types[id] = StoredTokenType::kByte;
    } else if (stored.types[id] >= 1 && stored.types[id] <= 6) {
      types[id] = static_cast<StoredTokenType>(stored.types[id]);
    }
  }
  if (!stored.types.empty()) return types;
  for (const auto& id : {stored.bos_id, stored.eos_id}) {
    if (id) types[static_cast<std::size_t>(*id)] = StoredTokenType::kControl;
  }
  if (stored.unknown_id) types[static_cast<std::size_t>(*stored.unknown_id)] = StoredTokenType::kUnknown;
  return types;
}

// Kept beside the vocabulary, and cut out of a text before words are.
bool is_added(StoredTokenType type) {
  return type == StoredTokenType::kControl || type == StoredTokenType::kUserDefined;
}

AddedToken added_token(std::size_t id, const std::string& content, bool special) {
  AddedToken token;
  token.id = static_cast<std::int32_t>(id);
  token.content = content;
  token.special = special;
  return token;
}

ModelSettings settings_of(const StoredVocabulary& stored, const std::vector<StoredTokenType>& types,
                          bool add_bos) {
  ModelSettings settings;
  settings.bos_id = stored.bos_id;
  settings.add_bos_token = stored.add_bos.value_or(add_bos && stored.bos_id.has_value());
  settings.add_eos_token = stored.add_eos.value_or(false);
  settings.chat_templates = stored.chat_templates;
  const std::pair<const char*, std::optional<std::int32_t>> named[] = {{"bos_token", stored.bos_id},
                                                                       {"eos_token", stored.eos_id},
                                                                       {"unk_token", stored.unknown_id},
                                                                       {"pad_token", stored.padding_id}};
  for (const auto& [name, id] : named) {
    if (id && *id >= 0 && static_cast<std::size_t>(*id) < stored.tokens.size()) {
      settings.special_texts[name] = stored.tokens[static_cast<std::size_t>(*id)];
    }
  }
  for (const auto& id : {stored.eos_id, stored.eot_id, stored.eom_id}) {
    if (id && std::find(settings.eos_ids.begin(), settings.eos_ids.end(), *id) == settings.eos_ids.end()) {
      settings.eos_ids.push_back(*id);
    }
  }
  // Chat models' files often name only one of the tokens that end a turn.
  constexpr std::array<std::string_view, 4> kEnds = {"<|eot_id|>", "<|eom_id|>", "<|im_end|>",
                                                     "<end_of_turn>"};
  for (std::size_t id = 0; id < types.size(); ++id) {
    if (types[id] != StoredTokenType::kControl) continue;
    if (std::find(kEnds.begin(), kEnds.end(), stored.tokens[id]) == kEnds.end()) continue;
    const auto end = static_cast<std::int32_t>(id);
    if (std::find(settings.eos_ids.begin(), settings.eos_ids.end(), end) == settings.eos_ids.end()) {
      settings.eos_ids.push_back(end);
    }
  }
  return settings;
}

// The bytes of a SentencePiece ModelProto (sentencepiece_model.proto).
std::string sentencepiece_file(const StoredVocabulary& stored, const std::vector<StoredTokenType>& types) {
  std::string file;
  bool bytes = false;
  for (std::size_t id = 0; id < stored.tokens.size(); ++id) {
    // The library refuses empty pieces; padding is sometimes written so.
    const bool empty = stored.tokens[id].empty();
    std::string piece;
    append_bytes(piece, 1, empty ? placeholder(static_cast<std::int64_t>(id)) : stored.tokens[id]);
    append_float(piece, 2, stored.scores[id]);
    append_number(piece, 3, static_cast<std::uint64_t>(empty ? StoredTokenType::kUnused : types[id]));
    append_bytes(file, 1, piece);
    bytes = bytes || types[id] == StoredTokenType::kByte;
  }
  std::string trainer, normalizer;
  append_number(trainer, 3, 2);  // ModelType BPE
  append_number(trainer, 35, bytes ? 1 : 0);
  const auto unknown = std::find(types.begin(), types.end(), StoredTokenType::kUnknown);
  if (unknown != types.end()) {
    append_bytes(trainer, 45, stored.tokens[static_cast<std::size_t>(unknown - types.begin())]);
  }
  if (stored.bos_id) append_bytes(trainer, 46, stored.tokens[static_cast<std::size_t>(*stored.bos_id)]);
  if (stored.eos_id) append_bytes(trainer, 47, stored.tokens[static_cast<std::size_t>(*stored.eos_id)]);
  append_bytes(file, 2, trainer);
  if (!stored.character_map.empty()) append_bytes(normalizer, 2, stored.character_map);
  append_number(normalizer, 3, stored.add_space_prefix.value_or(true) ? 1 : 0);
  append_number(normalizer, 4, stored.remove_extra_whitespaces.value_or(false) ? 1 : 0);
  append_bytes(file, 3, normalizer);
  return file;
}

// The ids that llama.cpp takes where a file names none, as far as the tokens are what they should be: <unk>,
// <s> and </s> in the first three places.
StoredVocabulary with_usual_ids(const std::string& where, StoredVocabulary stored) {
  const auto usual = [&](std::optional<std::int32_t>& id, std::size_t place, std::string_view token) {
    if (!id && place < stored.tokens.size() && stored.tokens[place] == token) {
      id = static_cast<std::int32_t>(place);
    }
  };
  usual(stored.unknown_id, 0, "<unk>");
  usual(stored.bos_id, 1, "<s>");
  usual(stored.eos_id, 2, "</s>");
  if (!stored.bos_id && stored.add_bos.value_or(true)) {
    throw input_error(
        where,
        "expected the token that texts begin with as tokenizer.ggml.bos_token_id (or <s> as token "
        "1), got none; convert it again");
  }
  return stored;
}

// SentencePiece wants one token of type "unknown"; some files only name it by its id.
std::vector<StoredTokenType> types_with_unknown(const std::string& where, const StoredVocabulary& stored) {
  std::vector<StoredTokenType> types = types_of(stored);
  if (std::find(types.begin(), types.end(), StoredTokenType::kUnknown) != types.end()) return types;
  if (!stored.unknown_id) {
    throw input_error(where,
                      "expected an unknown token in tokenizer.ggml.token_type or unknown_token_id, got none; "
                      "convert it again");
  }
  types[static_cast<std::size_t>(*stored.unknown_id)] = StoredTokenType::kUnknown;
  return types;
}

std::unique_ptr<Tokenizer> make_llama(const std::string& where, const StoredVocabulary& file) {
  if (file.scores.size() != file.tokens.size()) {
    throw input_error(where, "expected {} values in tokenizer.ggml.scores, got {}; convert it again",
                      file.tokens.size(), file.scores.size());
  }
  const StoredVocabulary stored = with_usual_ids(where, file);
  const std::vector<StoredTokenType> types = types_with_unknown(where, stored);
  ModelSettings settings = settings_of(stored, types, /*add_bos=*/true);
  for (std::size_t id = 0; id < types.size(); ++id) {
    const std::string& piece = stored.tokens[id];
    if (types[id] == StoredTokenType::kUserDefined && piece.find(kSpace) == std::string::npos) {
      settings.added_tokens.push_back(added_token(id, piece, /*special=*/false));
    }
  }
  return make_sentencepiece_tokenizer(where, sentencepiece_file(stored, types), settings);
}

// What a tokenizer.json has beside its model.
nlohmann::json around_model(const StoredVocabulary& stored, const std::vector<StoredTokenType>& types,
                            const ByteLevelWords& words) {
  using nlohmann::json;
  json added = json::array(), splits = json::array();
  for (std::size_t id = 0; id < types.size(); ++id) {
    if (!is_added(types[id]) || stored.tokens[id].empty()) continue;
    added.push_back({{"id", id},
                     {"content", stored.tokens[id]},
                     {"normalized", false},
                     {"special", types[id] == StoredTokenType::kControl}});
  }
  for (const std::string_view pattern : words.patterns) {
    splits.push_back(
        {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  splits.push_back({{"type", "ByteLevel"},
                    {"add_prefix_space", stored.add_space_prefix.value_or(false)},
                    {"use_regex", false}});
  json out;
  if (words.nfc) out["normalizer"] = {{"type", "NFC"}};
  out["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", std::move(splits)}};
  out["decoder"] = {{"type", "ByteLevel"}};
  out["added_tokens"] = std::move(added);
  return out;
}

// The tokenizer.json of a byte-level vocabulary. Its hundreds of thousands of tokens and merges go into the
// text as they come: as values they would take most of the time in which a model opens.
std::string tokenizer_json(const StoredVocabulary& stored, const std::vector<StoredTokenType>& types,
                           const ByteLevelWords& words, const std::string& where) {
  std::string out = json_text(around_model(stored, types, words));
  out.pop_back();  // the end of the object, which goes on
  out += fmt::format(R"(,"model":{{"type":"BPE","ignore_merges":{},"vocab":{{)", words.ignore_merges);
  std::unordered_set<std::string_view> seen;
  seen.reserve(types.size());
  for (std::size_t id = 0; id < types.size(); ++id) {
    const std::string& token = stored.tokens[id];
    const bool unused =
        types[id] == StoredTokenType::kUnused && is_placeholder(token, static_cast<std::int64_t>(id));
    if (token.empty() || unused || is_added(types[id])) continue;
    if (!seen.insert(token).second) {
      throw input_error(where, "has the token '{}' twice; convert it again", printable(token));
    }
    if (seen.size() > 1) out += ',';
    append_json_string(out, token);
    out += ':';
    out += std::to_string(id);
  }
  out += R"(},"merges":[)";
  for (std::size_t rank = 0; rank < stored.merges.size(); ++rank) {
    if (rank > 0) out += ',';
    append_json_string(out, stored.merges[rank]);
  }
  out += "]}}";
  return out;
}

std::unique_ptr<Tokenizer> make_gpt2(const std::string& where, const StoredVocabulary& stored) {
  const ByteLevelWords* words = find_byte_level_words(stored.pre);
  if (words == nullptr) {
    throw input_error(where, "expected tokenizer.ggml.pre {}, got '{}'; this tokenizer is not supported",
                      byte_level_names(), printable(stored.pre));
  }
  for (const auto* list : {&stored.tokens, &stored.merges}) {
    const auto bad = std::find_if_not(list->begin(), list->end(), is_valid_utf8);
    if (bad != list->end()) {
      throw input_error(where, "expected tokens and merges in UTF-8, got '{}'; convert it again",
                        printable(*bad));
    }
  }
  const std::vector<StoredTokenType> types = types_of(stored);
  const std::string text = tokenizer_json(stored, types, *words, where);
  const JsonFile file(where, text);
  auto out = std::make_unique<JsonTokenizer>(where, file.root(), settings_of(stored, types, words->add_bos));
  if (stored.pre.empty()) {
    out->add_warning(fmt::format(
        "[{}] names no pre-tokenizer (tokenizer.ggml.pre), so words are cut as llama.cpp does then, "
        "which may not be the model's own way; convert the model again",
        where));
  }
  return out;
}

// What kind of vocabulary one is that is not read.
std::string_view described(std::string_view model) {
  if (model == "t5") return " (a unigram model, as T5 has)";
  if (model == "bert") return " (WordPiece, as BERT has)";
  if (model == "rwkv") return " (RWKV's own)";
  if (model == "plamo2") return " (PLaMo's own)";
  if (model == "gemma4") return " (Gemma 4's own)";
  return "";
}

}  // namespace

std::unique_ptr<Tokenizer> make_stored_tokenizer(const std::string& where, const StoredVocabulary& stored) {
  check_ids(where, stored);
  if (stored.model == "llama") return make_llama(where, stored);
  if (stored.model == "gpt2") return make_gpt2(where, stored);
  throw input_error(
      where,
      "expected tokenizer.ggml.model llama or gpt2, got '{}'{}; this tokenizer is not supported, "
      "use the directory that the file was made from",
      printable(stored.model), described(stored.model));
}

}  // namespace refocus
