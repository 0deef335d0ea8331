// The files of a Hugging Face model directory that make its tokenizer: the one list of them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/used_file.h"

namespace refocus {

inline constexpr std::string_view kSentencePieceName = "tokenizer.model";
inline constexpr std::string_view kTokenizerJsonName = "tokenizer.json";

// Files with settings, each of which may be absent, in the order in which read_model_settings reads them.
// config.json is the model's own, and the tokenizer reads it too.
inline constexpr std::string_view kTokenizerConfigName = "tokenizer_config.json";
inline constexpr std::string_view kSpecialTokensName = "special_tokens_map.json";
inline constexpr std::string_view kAddedTokensName = "added_tokens.json";
inline constexpr std::string_view kGenerationConfigName = "generation_config.json";
inline constexpr std::string_view kConfigName = "config.json";

// Chat templates in files of their own, as transformers writes them.
inline constexpr std::string_view kChatTemplateName = "chat_template.jinja";
inline constexpr std::string_view kChatTemplateFolder = "additional_chat_templates";

// Those that there are: kChatTemplateName, and *.jinja of the folder in the order of their names.
std::vector<std::filesystem::path> chat_template_files(const std::filesystem::path& model_directory);

// The file of the vocabulary that load_tokenizer uses: the one that is there; of both tokenizer.json, unless
// tokenizer.model says the same (vocabulary_choice.h), which is then used. Nothing where neither is there.
std::optional<std::string_view> vocabulary_name(const std::filesystem::path& model_directory);

// Those that load_tokenizer reads, or read_model_settings where there is no vocabulary, in part "tokenizer";
// without config.json. None where the path is no directory (a GGUF file holds its tokenizer).
std::vector<UsedFile> tokenizer_files(const std::filesystem::path& model_directory);

// Copies the tokenizer's files and generation_config.json, those that there are. Files that are the same one
// already are left alone. InputError where one cannot be read or written.
void copy_tokenizer_files(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace refocus
