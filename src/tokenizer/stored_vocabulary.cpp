// A model directory's tokenizer as a StoredVocabulary: what its two kinds have in common.
#include <algorithm>

#include "base/error.h"
#include "tokenizer/json.h"
#include "tokenizer/stored_tokenizer.h"
#include "tokenizer/tokenizer_files.h"

namespace refocus {

namespace {

// What a prompt begins and ends with, which the file can express as a BOS and an EOS only.
void take_frame(const Tokenizer& tokenizer, const std::string& where, StoredVocabulary& out) {
  std::vector<std::int32_t> frame = tokenizer.encode_prompt("");
  out.add_bos = !frame.empty() && tokenizer.bos_id() && frame.front() == *tokenizer.bos_id();
  if (*out.add_bos) frame.erase(frame.begin());
  out.add_eos = !frame.empty() && out.eos_id && frame.front() == *out.eos_id;
  if (*out.add_eos) frame.erase(frame.begin());
  if (!frame.empty()) {
    throw input_error(where,
                      "expected prompts framed by a BOS and an EOS at most, got other tokens too; GGUF "
                      "files cannot hold such a tokenizer");
  }
}

}  // namespace

StoredTokenType stored_type(const Tokenizer& tokenizer, std::int32_t id) {
  if (!tokenizer.contains(id)) return StoredTokenType::kUnused;
  switch (tokenizer.kind(id)) {
    case TokenKind::kSpecial:
      return StoredTokenType::kControl;
    case TokenKind::kAdded:
      return StoredTokenType::kUserDefined;
    case TokenKind::kByte:
      return StoredTokenType::kByte;
    default:
      return StoredTokenType::kNormal;
  }
}

std::vector<std::string> unstorable_tokens(const std::filesystem::path& model_directory) {
  std::vector<std::string> out;
  const auto add = [&](const std::string& content, bool flagged) {
    if (flagged && std::find(out.begin(), out.end(), content) == out.end()) out.push_back(content);
  };
  if (vocabulary_name(model_directory) == kTokenizerJsonName) {
    const std::string where = (model_directory / kTokenizerJsonName).string();
    const JsonFile file(model_directory / kTokenizerJsonName);
    const auto list = json_array(where, file.root(), "added_tokens");
    for (const JsonValue value : list ? *list : JsonArray()) {
      const JsonObject token = as_object(where, "an added token", value);
      const auto flag = [&](const char* key) { return json_bool(where, token, key).value_or(false); };
      add(std::string(required(where, "content", json_string(where, token, "content"))),
          flag("lstrip") || flag("rstrip") || flag("single_word"));
    }
    return out;
  }
  for (const AddedToken& token : read_model_settings(model_directory).added_tokens) {
    add(token.content, token.lstrip || token.rstrip || token.single_word);
  }
  return out;
}

StoredVocabulary stored_vocabulary(const std::filesystem::path& model_directory, std::int64_t vocab_size) {
  const auto tokenizer = load_tokenizer(model_directory);
  const bool sentencepiece = vocabulary_name(model_directory) == kSentencePieceName;
  StoredVocabulary out =
      sentencepiece ? sentencepiece_vocabulary(model_directory) : json_vocabulary(model_directory);
  const std::int64_t count = std::max<std::int64_t>(vocab_size, tokenizer->vocab_size());
  for (auto id = static_cast<std::int32_t>(out.tokens.size()); id < count; ++id) {
    const StoredTokenType type = stored_type(*tokenizer, id);
    out.tokens.push_back(type == StoredTokenType::kUnused ? placeholder(id) : tokenizer->piece(id));
    out.types.push_back(static_cast<std::int32_t>(type));
    if (out.model == "llama") out.scores.push_back(-1000);
  }
  out.bos_id = tokenizer->bos_id();
  const std::vector<std::int32_t>& ends = tokenizer->eos_ids();
  if (!ends.empty()) out.eos_id = ends[0];
  if (ends.size() > 1) out.eot_id = ends[1];
  if (ends.size() > 2) out.eom_id = ends[2];
  take_frame(*tokenizer, model_directory.string(), out);
  out.chat_templates = tokenizer->chat_templates();
  if (const auto padding = tokenizer->special_texts().find("pad_token");
      padding != tokenizer->special_texts().end()) {
    out.padding_id = tokenizer->find(padding->second);
  }
  return out;
}

}  // namespace refocus
