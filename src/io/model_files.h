// The files of a Hugging Face model directory beside its weights and config.json.
#pragma once

#include <filesystem>

namespace refocus {

// Copies the tokenizer's files and generation_config.json, those that there are. Files that are the same one
// already are left alone. InputError where one cannot be read or written.
void copy_tokenizer_files(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace refocus
