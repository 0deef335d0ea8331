// The text files of an attention directory; formats in docs/attention.md.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "analyze/attention_run.h"
#include "architecture/model_config.h"
#include "tokenizer/tokenizer.h"

namespace refocus {

// An arm as the files name it.
struct NamedResult {
  const AttentionArm* arm = nullptr;
  std::string intervention;  // canonical
  const AttentionResult* result = nullptr;
};

nlohmann::ordered_json statistics_json(const AttentionSettings& settings, std::span<const NamedResult> arms,
                                       bool one_text);
std::string statistics_csv(const AttentionSettings& settings, std::span<const NamedResult> arms);

// `tokenizer` may be null.
nlohmann::ordered_json lens_json(const Tokenizer* tokenizer, std::span<const NamedResult> arms);
// The `tokens` of attention.json. `origins`: where each is from, or none.
nlohmann::ordered_json tokens_json(const Tokenizer* tokenizer, std::span<const std::int32_t> ids,
                                   std::span<const TokenClass> classes, std::span<const std::string> origins);
// The `model` of attention.json; `path`: what it is called.
nlohmann::ordered_json model_json(const std::string& path, const ModelConfig& config);
// The names of all classes.
nlohmann::ordered_json classes_json();

// [layers, heads] counts of rows as a list of lists.
nlohmann::ordered_json rows_json(const std::vector<std::int64_t>& rows, std::size_t heads);
// The same of numbers; null for NaN.
nlohmann::ordered_json grid_json(std::span<const double> values, std::size_t heads);
// In quotation marks where a field of a CSV file needs them.
std::string csv_field(const std::string& text);

// JSON as text, ending with a line break.
void write_json_file(const std::filesystem::path& path, const nlohmann::ordered_json& json);

}  // namespace refocus
