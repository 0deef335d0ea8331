// What the small JSON files beside a tokenizer say about it: tokenizer_config.json, special_tokens_map.json,
// added_tokens.json, generation_config.json and config.json; and the chat templates among and beside them.
// Each may be absent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tokenizer/added_tokens.h"

namespace refocus {

// A token named in a configuration: not mentioned at all, ruled out (null), or given by its text.
struct NamedToken {
  bool mentioned = false;
  std::optional<std::string> content;
};

struct ModelSettings {
  std::string tokenizer_class;
  std::optional<bool> add_bos_token, add_eos_token;
  // SentencePiece only: whether text after a special token gets a dummy prefix too. Hugging Face's default.
  bool legacy = true;
  NamedToken bos_token, eos_token;       // tokenizer_config.json, else special_tokens_map.json
  std::vector<AddedToken> added_tokens;  // tokenizer_config.json's added_tokens_decoder, added_tokens.json
  std::optional<std::int32_t> bos_id;    // generation_config.json, else config.json
  std::vector<std::int32_t> eos_ids;     // generation_config.json, else config.json; empty: not said
  std::string bos_file, eos_file;        // which of the two it was
  // By name, "default" the usual one: chat_template.jinja and additional_chat_templates/NAME.jinja, else
  // tokenizer_config.json's "chat_template", as transformers reads them.
  std::map<std::string, std::string> chat_templates;
  // What a chat template may call by name: "bos_token" -> "<s>", of those that are set.
  std::map<std::string, std::string> special_texts;
};

// InputError where a file is there and is malformed.
ModelSettings read_model_settings(const std::filesystem::path& model_directory);

}  // namespace refocus
