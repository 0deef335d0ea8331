// Whether a model directory has a tokenizer that is read, and what it has in place of one.
#pragma once

#include <filesystem>
#include <string>

namespace refocus {

// Whether there is a tokenizer.model or a tokenizer.json.
bool has_tokenizer(const std::filesystem::path& model_directory);

// What a directory without one has in its place, for messages: "neither", or the files of another kind.
std::string other_tokenizer(const std::filesystem::path& model_directory);

// Refuses a path without one.
[[noreturn]] void refuse_without_tokenizer(const std::filesystem::path& model_directory);

}  // namespace refocus
