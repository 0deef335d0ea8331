#include "tokenizer/vocabulary_choice.h"

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/file_kind.h"
#include "base/stored_vocabulary.h"
#include "base/text_file.h"
#include "base/used_file.h"
#include "tokenizer/json.h"
#include "tokenizer/sentencepiece/sentencepiece_model.h"
#include "tokenizer/tokenizer_files.h"

namespace refocus {

namespace fs = std::filesystem;

namespace {

// Whether every piece is a token of tokenizer.json, with the same id.
bool has_pieces(const std::string& where, JsonObject model, const std::vector<SentencePiecePiece>& pieces) {
  const JsonValue vocab = required(where, "vocab", json_value(model, "vocab"));
  std::size_t same = 0;
  if (vocab.is_array()) {  // a unigram model's
    const JsonArray list = as_array(where, "\"vocab\"", vocab);
    for (const JsonValue token : list) {
      const JsonArray pair = as_array(where, "a token", token);
      if (same == pieces.size() || pair.size() == 0) break;
      if (as_string(where, "a token", pair.at(0)) != pieces[same].text) return false;
      ++same;
    }
    return same == pieces.size();
  }
  for (const auto [text, value] : as_object(where, "\"vocab\"", vocab)) {
    const std::int64_t id = as_integer(where, "a token id", value);
    if (id >= 0 && id < static_cast<std::int64_t>(pieces.size()) &&
        pieces[static_cast<std::size_t>(id)].text == text) {
      ++same;
    }
  }
  return same == pieces.size();
}

// Whether tokenizer.json has added tokens that tokenizer.model does not have as such.
bool adds_tokens(const std::string& where, JsonObject root, const std::vector<SentencePiecePiece>& pieces) {
  const auto list = json_array(where, root, "added_tokens");
  if (!list) return false;
  for (const JsonValue value : *list) {
    const JsonObject token = as_object(where, "an added token", value);
    const std::int64_t id = required(where, "id", json_integer(where, token, "id"));
    if (id < 0 || id >= static_cast<std::int64_t>(pieces.size())) return true;
    const SentencePiecePiece& piece = pieces[static_cast<std::size_t>(id)];
    const bool plain = piece.type == StoredTokenType::kControl || piece.type == StoredTokenType::kUnknown;
    if (!plain || piece.text != required(where, "content", json_string(where, token, "content"))) return true;
    for (const char* flag : {"lstrip", "rstrip", "single_word"}) {
      if (json_bool(where, token, flag).value_or(false)) return true;
    }
  }
  return false;
}

VocabularyChoice compared(const fs::path& model_directory) {
  const fs::path model = model_directory / kSentencePieceName, json = model_directory / kTokenizerJsonName;
  if (kind_of_file(model).name == "a tiktoken vocabulary") return VocabularyChoice::kJson;
  const std::string file = read_binary_file(model);
  const std::vector<SentencePiecePiece> pieces = sentencepiece_pieces(model.string(), file);
  const JsonFile parsed(json);
  const std::string where = json.string();
  const JsonObject root = parsed.root();
  if (!has_pieces(where, required(where, "model", json_object(where, root, "model")), pieces)) {
    return VocabularyChoice::kStaleModel;
  }
  return adds_tokens(where, root, pieces) ? VocabularyChoice::kJson : VocabularyChoice::kSentencePiece;
}

}  // namespace

VocabularyChoice choose_vocabulary(const fs::path& model_directory) {
  using Files = std::pair<UsedFile, UsedFile>;
  static std::mutex mutex;
  static std::map<std::string, std::pair<Files, VocabularyChoice>> known;  // reading takes up to a second
  const Files files{used_file("tokenizer", model_directory / kSentencePieceName),
                    used_file("tokenizer", model_directory / kTokenizerJsonName)};
  const std::lock_guard lock(mutex);
  const std::string key = fs::absolute(model_directory).string();
  const auto found = known.find(key);
  if (found != known.end() && found->second.first == files) return found->second.second;
  const VocabularyChoice choice = compared(model_directory);
  known.insert_or_assign(key, std::pair{files, choice});
  return choice;
}

}  // namespace refocus
