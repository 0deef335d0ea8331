#include "tokenizer/tokenizer_files.h"

#include <algorithm>

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

std::vector<fs::path> chat_template_files(const fs::path& model_directory) {
  std::vector<fs::path> out;
  if (fs::exists(model_directory / kChatTemplateName)) out.push_back(model_directory / kChatTemplateName);
  if (!fs::is_directory(model_directory / kChatTemplateFolder)) return out;
  std::vector<fs::path> named;
  for (const auto& entry : fs::directory_iterator(model_directory / kChatTemplateFolder)) {
    if (entry.path().extension() == ".jinja") named.push_back(entry.path());
  }
  std::sort(named.begin(), named.end());
  out.insert(out.end(), named.begin(), named.end());
  return out;
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
  for (const fs::path& path : chat_template_files(model_directory)) {
    out.push_back(used_file("tokenizer", path));
  }
  return out;
}

void copy_tokenizer_files(const fs::path& from, const fs::path& to) {
  const auto copy = [&](const fs::path& name) {
    std::error_code ignored;
    if (!fs::exists(from / name) || fs::equivalent(from / name, to / name, ignored)) return;
    write_file_atomically(to / name, read_binary_file(from / name));
  };
  copy(kSentencePieceName);
  copy(kTokenizerJsonName);
  for (const std::string_view name : kSettingsNames) copy(name);
  if (fs::is_directory(from / kChatTemplateFolder)) fs::create_directories(to / kChatTemplateFolder);
  for (const fs::path& path : chat_template_files(from)) copy(path.lexically_relative(from));
}

}  // namespace refocus
