// How the byte-level tokenizers that GGUF files name (tokenizer.ggml.pre) cut a text into words.
//
// The names and their regular expressions are llama.cpp's (src/llama-vocab.cpp, llama_vocab::impl::load and
// llm_tokenizer_bpe); where it notes the regular expression of the family's own tokenizer.json beside a
// simpler one, that is taken. Where a name stands for one family's tokenizer, everything else is as its
// tokenizer.json says too (the NFC of Qwen, OLMo, GPT-NeoX, StableLM 2 and Command R, which llama.cpp leaves
// out). Names of llama.cpp v0.5.0 that are not here are refused by name: those it has functions of its own
// for (kimi-k2, afmoe), whose words are not byte-level (gemma4, sarvam-moe, whitespace, ...), of models that
// embed (jina-*, roberta-bpe, modern-bert, granite-embed-*) or of families that are not read (jais-2,
// spark2_5, youtu, laguna, superbpe, tiny_aya, cohere2moe, chameleon).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

struct ByteLevelWords {
  std::vector<std::string_view> names;     // the first is the one to write
  std::vector<std::string_view> patterns;  // applied one after the other, each cutting what the last one left
  bool ignore_merges = false;              // a word that is a token becomes it whatever the merges say
  bool nfc = false;                        // texts are brought to Unicode's NFC first
  bool add_bos = false;                    // unless the file says otherwise
};

std::span<const ByteLevelWords> known_byte_level_words();

// Null where no known tokenizer has the name; an absent name means "default", as in llama.cpp.
const ByteLevelWords* find_byte_level_words(std::string_view name);

// "default, gpt-2, ...", for messages.
std::string byte_level_names();

}  // namespace refocus
