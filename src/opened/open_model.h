// A model's files, opened: weights that are mapped, its configuration, tokenizer and adapter.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "architecture/model_config.h"
#include "base/used_file.h"
#include "model/adapter.h"
#include "opened/open_settings.h"
#include "tensor/weight_map.h"
#include "tokenizer/tokenizer.h"

namespace refocus {

// A checkpoint that was opened, and its tokenizer where it has one.
struct OpenModel {
  std::filesystem::path directory;  // or the GGUF file
  std::string config_json;
  ModelConfig config;
  std::shared_ptr<const WeightMap> weights;
  std::shared_ptr<const Tokenizer> tokenizer;  // null where the model has none
  std::vector<std::int32_t> eos_ids;
  std::shared_ptr<const Adapter> adapter;  // null where none was given
  std::vector<UsedFile> files;             // all that was read: of the model, its tokenizer, and the adapter

  // For records and tables: the model's path, and the adapter's where there is one.
  std::string name() const;

  // InputError, with what to do instead, where the directory has no tokenizer.
  const Tokenizer& need_tokenizer(std::string_view remedy) const;
};

// Reads an adapter for the model, and prints its warnings.
Adapter open_adapter(const std::filesystem::path& directory, const AdapterBase& base);

// `option` is the one that named the model, for messages.
OpenModel open_model(const OpenSettings& settings, std::string_view option = "--model");

// The directory that --tokenizer means: a directory, that of a tokenizer file, or a bundled model's.
// UsageError where it is none.
std::filesystem::path resolve_tokenizer(const std::string& given);

// The tokenizer of a model directory or a GGUF file alone. InputError where it has none.
std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& path);

// The list of tokenizer_files as it was before the tokenizer was read. InputError where it is another now.
void expect_same_files(const std::vector<UsedFile>& before, const std::filesystem::path& path);

// "weights of IQ2_XS take 312.5 MB of memory, 72.3 MB of the file", of the types that take a tenth more
// memory than the file, where there are any.
std::optional<std::string> memory_note(const OpenModel& model);

}  // namespace refocus
