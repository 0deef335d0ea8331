// A tokenizer.model file as a StoredVocabulary.
#include <sentencepiece_processor.h>

#include "base/error.h"
#include "base/text_file.h"
#include "tokenizer/sentencepiece/sentencepiece_model.h"
#include "tokenizer/stored_tokenizer.h"
#include "tokenizer/tokenizer_files.h"

namespace refocus {

namespace {

StoredTokenType type_of(const sentencepiece::SentencePieceProcessor& processor, int id) {
  if (processor.IsUnknown(id)) return StoredTokenType::kUnknown;
  if (processor.IsControl(id)) return StoredTokenType::kControl;
  if (processor.IsByte(id)) return StoredTokenType::kByte;
  if (processor.IsUnused(id)) return StoredTokenType::kUnused;
  return StoredTokenType::kNormal;
}

}  // namespace

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
  sentencepiece::SentencePieceProcessor processor;
  REFOCUS_CHECK(processor.LoadFromSerializedProto(file).ok());  // the tokenizer has loaded it
  StoredVocabulary out;
  out.model = "llama";
  out.pre = "default";
  out.add_space_prefix = facts.add_dummy_prefix;
  out.remove_extra_whitespaces = facts.remove_extra_whitespaces;
  out.character_map = facts.character_map;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    StoredTokenType type = type_of(processor, id);
    if (type == StoredTokenType::kNormal) type = stored_type(*tokenizer, id);
    out.tokens.push_back(processor.IdToPiece(id));
    out.scores.push_back(processor.GetScore(id));
    out.types.push_back(static_cast<std::int32_t>(type));
    if (type == StoredTokenType::kUnknown) out.unknown_id = id;
  }
  return out;
}

}  // namespace refocus
