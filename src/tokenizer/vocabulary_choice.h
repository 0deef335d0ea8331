// Which file's vocabulary is used where a directory has both a tokenizer.model and a tokenizer.json.
#pragma once

#include <filesystem>

namespace refocus {

enum class VocabularyChoice {
  kSentencePiece,  // the two say the same, and tokenizer.model all of it
  kJson,           // tokenizer.json says more (added tokens), or tokenizer.model is no SentencePiece model
  kStaleModel,     // the vocabularies differ: tokenizer.json is used, as transformers does
};

// Reads both files, which must be there, unless they are those of an earlier call. InputError where one is
// malformed.
VocabularyChoice choose_vocabulary(const std::filesystem::path& model_directory);

}  // namespace refocus
