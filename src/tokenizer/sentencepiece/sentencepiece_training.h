// Training of a SentencePiece BPE tokenizer (Sennrich et al. 2016; Kudo & Richardson 2018) by the
// SentencePiece library.
#pragma once

#include <string>
#include <vector>

namespace refocus {

struct TokenizerTrainingOptions {
  int vocabulary_size = 1024;  // pieces, with <unk>, <s>, </s>, bytes and symbols
  bool byte_fallback = true;   // 256 pieces for the bytes of characters that have no piece
  // Texts that are always a piece of their own wherever they stand. A line feed always is one.
  std::vector<std::string> symbols;
};

// The bytes of tokenizer.model; the same for the same texts. Text is kept as it is: no normalization, no
// white space removed. InputError, naming `where`, for texts without a character and for a size that does not
// fit.
std::string train_sentencepiece(const std::string& where, const std::vector<std::string>& texts,
                                const TokenizerTrainingOptions& options);

// tokenizer_config.json as Hugging Face's LlamaTokenizer reads it.
std::string sentencepiece_tokenizer_config();

}  // namespace refocus
