// What refocus attention prints and puts into its directory, apart from the arrays.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analyze/attention_run.h"
#include "analyze/pictures/row_figure.h"
#include "analyze/statistics_files.h"
#include "cli/options/model_options.h"

namespace refocus::cli {

// One arm, done.
struct CapturedArm {
  AttentionArm arm;
  std::string intervention;  // canonical
  AttentionText text;        // empty for a task
  AttentionResult result;
  std::vector<bool> chosen;  // of the text's tokens: whether a part of the intervention chose them as keys
};

// A whole run of the command.
struct AttentionReport {
  const OpenModel* model = nullptr;
  const AttentionSettings* settings = nullptr;
  bool free = false;                       // each arm has a text of its own
  std::string task, prompt_kind, profile;  // of a task or its item, else empty
  std::int64_t prompts = 0;                // of a task
  // Of a task's one item that was looked at: its subject and index. Then is_task() is false.
  std::optional<std::pair<std::string, std::int64_t>> item;
  std::optional<RowChoice> picture;
  std::vector<CapturedArm> arms;

  bool is_task() const { return !task.empty() && !item; }
  bool has_origins() const;
  std::vector<NamedResult> results() const;
};

// attention.json, statistics.json, statistics.csv, origins.csv where origins are known, and lens.json of one
// prompt.
void write_attention_files(const AttentionReport& report, const std::filesystem::path& directory);

// row.svg, where a row is to be drawn; after write_attention_files.
void write_row_picture(const AttentionReport& report, const std::filesystem::path& directory);

// Tables for the terminal, or one JSON object on one line.
std::string attention_tables(const AttentionReport& report);
nlohmann::ordered_json attention_summary(const AttentionReport& report, const std::string& directory);

}  // namespace refocus::cli
