// Tokenizers from the vocabularies that GGUF files hold, and such vocabularies from a model's tokenizer
// files.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/stored_vocabulary.h"
#include "tokenizer/tokenizer.h"

namespace refocus {

// The tokenizer of a vocabulary of kind "llama" (encoded by the SentencePiece library) or "gpt2" (byte-level
// BPE). User-defined tokens are cut out of the text whole, as Hugging Face does with added tokens. `where`
// names the file in messages. InputError for another kind, an unknown pre-tokenizer, or data that does not
// fit together.
std::unique_ptr<Tokenizer> make_stored_tokenizer(const std::string& where, const StoredVocabulary& stored);

// What a model directory's tokenizer looks like as such a vocabulary: tokenizer.model where present, else
// tokenizer.json. Ids that the tokenizer lacks, up to `vocab_size`, become unused tokens. InputError for a
// tokenizer that this form cannot express (a unigram model, an unknown pre-tokenizer).
StoredVocabulary stored_vocabulary(const std::filesystem::path& model_directory, std::int64_t vocab_size);

// Added tokens of a model directory with flags that such a vocabulary cannot hold (lstrip, rstrip,
// single_word): around them texts are cut in another way after a conversion.
std::vector<std::string> unstorable_tokens(const std::filesystem::path& model_directory);

// The two kinds of the above, and what they share: special ids, add_bos and add_eos, the chat template.
StoredVocabulary sentencepiece_vocabulary(const std::filesystem::path& model_directory);
StoredVocabulary json_vocabulary(const std::filesystem::path& model_directory);
StoredTokenType stored_type(const Tokenizer& tokenizer, std::int32_t id);

}  // namespace refocus
