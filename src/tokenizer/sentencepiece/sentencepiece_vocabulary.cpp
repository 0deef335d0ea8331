// A tokenizer.model file as a StoredVocabulary.
#include "base/error.h"
#include "base/text_file.h"
#include "tokenizer/sentencepiece/sentencepiece_model.h"
#include "tokenizer/stored_tokenizer.h"
#include "tokenizer/tokenizer_files.h"

namespace refocus {

StoredVocabulary sentencepiece_vocabulary(const std::filesystem::path& model_directory) {
  const std::filesystem::path path = model_directory / kSentencePieceName;
  const std::string where = path.string(), file = read_binary_file(path);
  const SentencePieceFacts facts = check_sentencepiece_model(where, file);
  if (!facts.bpe) {
    throw input_error(where,
                      "expected a SentencePiece model of type BPE, got another type; GGUF files of "
                      "LLaMA models cannot hold it");
  }
  const auto tokenizer = make_sentencepiece_tokenizer(where, file, read_model_settings(model_directory));
  StoredVocabulary out;
  out.model = "llama";
  out.pre = "default";
  out.add_space_prefix = facts.add_dummy_prefix;
  out.remove_extra_whitespaces = facts.remove_extra_whitespaces;
  out.character_map = facts.character_map;
  for (const SentencePiecePiece& piece : sentencepiece_pieces(where, file)) {
    const auto id = static_cast<std::int32_t>(out.tokens.size());
    StoredTokenType type = piece.type;
    if (type == StoredTokenType::kNormal || type == StoredTokenType::kUserDefined) {
      type = stored_type(*tokenizer, id);  // whether it is added to the vocabulary too
    }
    out.tokens.push_back(piece.text);
    out.scores.push_back(piece.score);
    out.types.push_back(static_cast<std::int32_t>(type));
    if (type == StoredTokenType::kUnknown) out.unknown_id = id;
  }
  return out;
}

}  // namespace refocus
