// The text whose perplexity is measured, as tokens and as bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "eval/score/perplexity.h"
#include "tokenizer/tokenizer.h"

namespace refocus {

// A UTF-8 file, byte for byte but for a byte order mark at its start: no line ending is changed. InputError
// where it cannot be read, is empty, or is not valid UTF-8.
std::string read_perplexity_text(const std::filesystem::path& file);

// The text's tokens, with the BOS that the tokenizer's settings put before it, once, and the EOS if they put
// one after it. InputError (naming `file`) for fewer than two.
std::vector<std::int32_t> perplexity_tokens(const std::filesystem::path& file, const std::string& text,
                                            const Tokenizer& tokenizer);

// How many of the text's bytes the scored tokens stand for: all but those of tokens that are not scored.
// A BOS stands for none.
std::int64_t counted_bytes(const std::string& text, std::span<const std::int32_t> tokens,
                           std::span<const TextWindow> windows, const Tokenizer& tokenizer);

// InputError (beginning with `where`) where the tokenizers differ in a token that both have, or cut a text
// differently: into `tokens`, and the other one into `theirs`.
void check_same_tokens(const std::string& where, const Tokenizer& tokenizer, const Tokenizer& other,
                       std::span<const std::int32_t> tokens, std::span<const std::int32_t> theirs);

}  // namespace refocus
