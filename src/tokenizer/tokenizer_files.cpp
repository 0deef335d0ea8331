#include "tokenizer/tokenizer_files.h"

#include "base/text_file.h"
#include "tokenizer/vocabulary_choice.h"

namespace refocus {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSettingsNames[] = {kTokenizerConfigName, kSpecialTokensName, kAddedTokensName,
                                               kGenerationConfigName};

}  // namespace

std::optional<std::string_view> vocabulary_name(const fs::path& model_directory) {
  const bool model = fs::exists(model_directory / kSentencePieceName);
  const bool json = fs::exists(model_directory / kTokenizerJsonName);
  if (!model && !json) return std::nullopt;
  if (!model || !json) return model ? kSentencePieceName : kTokenizerJsonName;
  return choose_vocabulary(model_directory) == VocabularyChoice::kSentencePiece ? kSentencePieceName
                                                                                : kTokenizerJsonName;
}

std::vector<UsedFile> tokenizer_files(const fs::path& model_directory) {
  std::vector<UsedFile> out;
  if (!fs::is_directory(model_directory)) return out;
  const auto add = [&](std::string_view name) {
    out.push_back(used_file("tokenizer", model_directory / name));
  };
  if (const auto vocabulary = vocabulary_name(model_directory)) add(*vocabulary);
  for (const std::string_view name : kSettingsNames) {
    if (fs::exists(model_directory / name)) add(name);
  }
  return out;
}

void copy_tokenizer_files(const fs::path& from, const fs::path& to) {
  const auto copy = [&](std::string_view name) {
    std::error_code ignored;
    if (!fs::exists(from / name) || fs::equivalent(from / name, to / name, ignored)) return;
    write_file_atomically(to / name, read_binary_file(from / name));
  };
  copy(kSentencePieceName);
  copy(kTokenizerJsonName);
  for (const std::string_view name : kSettingsNames) copy(name);
}

}  // namespace refocus
