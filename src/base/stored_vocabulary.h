// A tokenizer's data as GGUF files hold it (keys tokenizer.ggml.* and tokenizer.chat_template of
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). Plain data that file readers and writers
// exchange with tokenizers; nothing here is checked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace refocus {

// Kinds of tokens; the numbers are those of the files, and of SentencePiece's ModelProto.
enum class StoredTokenType : std::int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

struct StoredVocabulary {
  std::string model;  // "llama": SentencePiece BPE with scores; "gpt2": byte-level BPE with merges
  std::string pre;    // of gpt2: the name of the pre-tokenizer; empty where the file names none
  std::vector<std::string> tokens;
  std::vector<float> scores;        // [tokens], or empty
  std::vector<std::int32_t> types;  // [tokens] of StoredTokenType, or empty: all normal
  std::vector<std::string> merges;  // "left right", of gpt2
  std::optional<std::int32_t> bos_id, eos_id, eot_id, eom_id, unknown_id, padding_id;
  std::optional<bool> add_bos, add_eos, add_space_prefix, remove_extra_whitespaces;
  std::string character_map;  // SentencePiece's precompiled normalization, or empty
  // Jinja, by name: "default" is tokenizer.chat_template, NAME tokenizer.chat_template.NAME.
  std::map<std::string, std::string> chat_templates;
};

}  // namespace refocus
